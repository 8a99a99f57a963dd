from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from small_world import SETTINGS, SIZE, TASKS, picture, tables
from tiny_project import REPOSITORY

from unifiedlib import paths
from unifiedlib.binarization import binarize
from unifiedlib.contract import Collection, load_collection, write_collection
from unifiedlib.embedding import embed, write_embeddings
from unifiedlib.evaluation import EvaluationSettings, StoredEmbeddings, evaluate_collection, load_embeddings
from unifiedlib.export.__main__ import default_folder, main
from unifiedlib.export.card import model_card
from unifiedlib.export.folder import code_commit, write_export
from unifiedlib.export.indexes import write_code_index, write_float_index
from unifiedlib.export.onnx_model import Agreement, agreement, check_onnx, run_onnx, write_onnx
from unifiedlib.export.source import check_stored, read_source
from unifiedlib.export.table import write_items
from unifiedlib.files import sha256
from unifiedlib.framing import square_pixels
from unifiedlib.model import EmbeddingModel, ModelSettings, load_model, to_images
from unifiedlib.stages import seed_folder
from unifiedlib.training import Training
from unifiedlib.trunk import trunk_width

SHORT = replace(SETTINGS, head_steps=3, epochs=1)
QUICK = EvaluationSettings(n_resamples=100, recall_k=2)
MADE = (("imagenet", 0), ("unified", 0), ("unified", 1))
BOX = (0.25, 0.0, 1.0, 0.5)
SOURCES = [{"name": "coloured noise", "url": "", "commit": "", "licence": "none needed"}]


def make_pipeline_outputs(root: Path) -> None:
    """What the pipeline leaves of a tiny collection named `decor`: an untrained trunk, and two seeds of `unified`."""
    shutil.copy(REPOSITORY / "params.yaml", root / "params.yaml")
    items, labels = tables()
    items["box"] = [BOX if number == 71 else None for number in range(len(items))]
    pictures = (picture(number) for number in range(len(items)))
    data = write_collection(root / "data/decor", "decor", items, labels, TASKS, pictures, SIZE, SOURCES, {})
    for variant, seed in MADE:
        training = Training(data, variant, seed, SHORT, root / "checkpoints")
        training.save(seed_folder(root / "models/decor", variant, seed), training.run())
        model = load_model(seed_folder(root / "models/decor", variant, seed))
        write_embeddings(seed_folder(root / "embeddings/decor", variant, seed), model, data, 16)
    made = (root / "embeddings/decor", root / "results/decor", ["imagenet", "unified"], [0, 1])
    evaluate_collection(data, *made, QUICK)


def in_project(root: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(paths, "root", lambda: root)
    patch.setattr("unifiedlib.export.__main__.use_threads", lambda count: None)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which `unified`, seed 0, is exported by the command."""
    root = tmp_path_factory.mktemp("project")
    make_pipeline_outputs(root)
    with pytest.MonkeyPatch.context() as patch:
        in_project(root, patch)
        assert main(["decor", "unified"]) == 0
    return root


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    return project / default_folder("decor", "unified", 0)


@pytest.fixture(scope="module")
def collection(project: Path) -> Collection:
    return load_collection(project / "data/decor")


@pytest.fixture(scope="module")
def stored(project: Path, collection: Collection) -> StoredEmbeddings:
    return load_embeddings(project / "embeddings/decor/unified/seed-0", collection)


@pytest.fixture
def copied(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, to be damaged."""
    root = tmp_path / "copy"
    shutil.copytree(project, root)
    in_project(root, monkeypatch)
    return root


def contents(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir()}


# items.parquet


def test_parquet_holds_each_test_item_with_its_embedding_and_code(
    exported: Path, collection: Collection, stored: StoredEmbeddings
) -> None:
    table = pq.read_table(exported / "items.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 16)
    assert table.schema.field("code").type == pa.binary(2)
    rows = table.to_pandas()
    assert rows["item"].tolist() == collection.test_items().tolist()
    assert (np.stack(rows["embedding"]) == stored.floats).all()
    assert [list(code) for code in rows["code"]] == stored.codes.tolist()
    assert rows["image"].tolist() == collection.items["image"].iloc[rows["item"]].tolist()
    assert rows["box"].iloc[-1].tolist() == list(BOX)
    assert rows["box"].iloc[:-1].isna().all()


def test_documented_bit_order_reads_the_signs_of_the_embedding(exported: Path) -> None:
    table = pq.read_table(exported / "items.parquet")
    assert b"(byte >> (i % 8)) & 1" in table.schema.field("code").metadata[b"bit_order"]
    for row in table.to_pylist():
        bits = [(row["code"][i // 8] >> (i % 8)) & 1 for i in range(16)]
        assert bits == [int(value > 0) for value in row["embedding"]]


def test_parquet_holds_the_role_and_label_that_judge_each_task(
    exported: Path, collection: Collection
) -> None:
    rows = pd.read_parquet(exported / "items.parquet").set_index("item")
    tests = collection.labels[collection.labels["role"] != "train"]
    for item in rows.index:
        for task in collection.tasks:
            own = tests[(tests["item"] == item) & (tests["task"] == task)]
            found = rows.loc[item, [f"{task}_role", f"{task}_label"]].tolist()
            if own.empty:
                assert pd.isna(found).all()
            else:
                assert found == own[["role", "label"]].iloc[0].tolist()


def test_parquet_is_written_in_row_groups_that_add_up_to_the_whole(
    tmp_path: Path, collection: Collection, stored: StoredEmbeddings
) -> None:
    write_items(tmp_path / "whole.parquet", collection, stored)
    write_items(tmp_path / "parts.parquet", collection, stored, rows_per_group=7)
    assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == -(-len(stored.items) // 7)
    assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "whole.parquet"))


# faiss


@pytest.mark.parametrize("rows_at_once", [5, 1000])
def test_faiss_files_answer_with_item_numbers(
    tmp_path: Path, stored: StoredEmbeddings, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unifiedlib.export.indexes.ROWS_AT_ONCE", rows_at_once)
    write_float_index(tmp_path / "float.faiss", stored.floats, stored.items)
    write_code_index(tmp_path / "codes.faiss", stored.codes, stored.items)
    floats = faiss.read_index(str(tmp_path / "float.faiss"))
    codes = faiss.read_index_binary(str(tmp_path / "codes.faiss"))
    assert (floats.ntotal, floats.d, codes.ntotal, codes.d) == (len(stored.items), 16, len(stored.items), 16)
    for index in (floats, codes):
        assert faiss.vector_to_array(index.id_map).tolist() == stored.items.tolist()
    item, row = int(stored.items[4]), 4
    assert (floats.reconstruct(item) == stored.floats[row]).all()
    assert (codes.reconstruct(item) == stored.codes[row]).all()
    scores, found = floats.search(stored.floats[row : row + 1], len(stored.items))
    products = dict(zip(stored.items.tolist(), stored.floats @ stored.floats[row], strict=True))
    assert scores[0] == pytest.approx([products[number] for number in found[0].tolist()], abs=1e-6)
    distances, found = codes.search(stored.codes[row : row + 1], len(stored.items))
    bits = np.unpackbits(stored.codes, axis=1)
    differing = dict(zip(stored.items.tolist(), (bits != bits[row]).sum(axis=1).tolist(), strict=True))
    assert distances[0].tolist() == [differing[number] for number in found[0].tolist()]


# model.onnx


def test_onnx_gives_what_pytorch_gives_for_any_number_of_pictures(
    project: Path, exported: Path, collection: Collection
) -> None:
    model = load_model(project / "models/decor/unified/seed-0")
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3, 30):
        pixels = np.array(collection.pixels[:count])
        floats, codes = session.run(["embedding", "code"], {"pixels": pixels})
        assert floats == pytest.approx(embed(model, pixels, 32), abs=1e-5)
        assert (codes == binarize(floats)).all()


def test_onnx_of_a_model_with_gem_pooling_without_layer_norm_and_linear(tmp_path: Path) -> None:
    width = trunk_width("test_resnet")
    settings = ModelSettings("test_resnet", "none", width, 32, pooling="gem", layer_norm=False)
    model = EmbeddingModel(settings, {}, torch.Generator().manual_seed(0)).eval()
    assert model.linear is None
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    write_onnx(tmp_path / "model.onnx", model, {"variant": "gem"})
    expected = embed(model, pixels, 40)
    assert check_onnx(tmp_path / "model.onnx", pixels, expected).pictures == 40
    assert run_onnx(tmp_path / "model.onnx", pixels)[0] == pytest.approx(expected, abs=1e-5)


class Untraceable(torch.nn.Module):
    """A trunk whose way depends on the values of a picture, which a graph cannot hold."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if images.sum().item() > 0 else images[:, :1]


def test_trunk_that_onnx_cannot_hold_is_named(tmp_path: Path) -> None:
    settings = ModelSettings("test_resnet", "none", 16, 32)
    model = EmbeddingModel(settings, {}, torch.Generator().manual_seed(0)).eval()
    model.trunk = Untraceable()
    with pytest.raises(ValueError, match="trunk 'test_resnet' cannot be written as ONNX: "):
        write_onnx(tmp_path / "model.onnx", model, {})
    assert not (tmp_path / "model.onnx").exists()


def test_onnx_states_its_shapes_and_origin_but_no_folder_of_this_machine(exported: Path) -> None:
    proto = onnx.load(exported / "model.onnx")
    about = {entry.key: entry.value for entry in proto.metadata_props}
    fingerprint = json.loads((exported / "export.json").read_text())["model_fingerprint"]
    assert (about["variant"], about["seed"], about["model_fingerprint"]) == ("unified", "0", fingerprint)
    session = onnxruntime.InferenceSession(exported / "model.onnx", providers=["CPUExecutionProvider"])
    assert [one.shape for one in session.get_inputs()] == [["n", SIZE, SIZE, 3]]
    assert [one.shape for one in session.get_outputs()] == [["n", 16], ["n", 2]]
    content = (exported / "model.onnx").read_bytes()
    for folder in (str(REPOSITORY), str(Path(torch.__file__).parent), "site-packages"):
        assert folder.encode() not in content


def test_onnx_that_differs_from_pytorch_is_refused(exported: Path, collection: Collection) -> None:
    pixels = collection.pixels[:30]
    floats, _ = run_onnx(exported / "model.onnx", pixels)
    floats[17, 3] += 0.001
    with pytest.raises(ValueError, match=r"model\.onnx differs from PyTorch by 0\.001 on picture 17 of 30"):
        check_onnx(exported / "model.onnx", pixels, floats)


def test_onnx_with_codes_that_are_not_of_its_embeddings_is_refused(
    exported: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    floats, codes = run_onnx(exported / "model.onnx", collection.pixels[:3])
    codes[2, 0] ^= 1
    monkeypatch.setattr("unifiedlib.export.onnx_model.run_onnx", lambda *_: (floats, codes))
    with pytest.raises(ValueError, match="gives for picture 2 a code that is not its embedding's"):
        check_onnx(exported / "model.onnx", collection.pixels[:3], floats)


def test_agreement_is_the_largest_difference_and_the_share_of_equal_bits() -> None:
    ours = np.full((2, 8), 0.5, np.float32)
    others = ours.copy()
    others[1, 2], others[0, 7] = -0.25, 0.25
    assert agreement(ours, others) == Agreement(2, 0.75, 15 / 16)


# README.md


def scores_in(card: str) -> dict[tuple[str, ...], str]:
    """Cells of the card's table of scores, keyed by task, gallery, representation, number of queries and metric."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines()]
    start = next(number for number, line in enumerate(lines) if line[:2] == ["task", "gallery"])
    assert lines[start][2:4] == ["representation", "queries"]
    metrics, cells = lines[start][4:], {}
    for line in lines[start + 2 :]:
        if len(line) != len(lines[start]):
            break
        cells |= {(*line[:4], metric): cell for metric, cell in zip(metrics, line[4:], strict=True) if cell}
    return cells


def test_card_shows_every_score_of_the_exported_seed(project: Path, exported: Path) -> None:
    scores = pd.read_parquet(project / "results/decor/scores.parquet")
    own = scores[(scores["variant"] == "unified") & (scores["seed"] == 0)]
    expected = {}
    for row in own.itertuples():
        key = (row.task, row.gallery, row.representation, str(row.n_query), row.metric)
        expected[key] = f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert len(expected) >= 12
    assert scores_in(card) == expected
    for metric in {re.sub(r"\d+", "k", key[-1]) for key in expected}:
        assert f"**{metric}**: " in card


def test_card_tells_how_seeds_differ_and_what_the_model_was_trained_on(project: Path, exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    scores = pd.read_parquet(project / "results/decor/scores.parquet").query(
        "variant == 'unified' and gallery == 'task' and metric == 'P@1' and task == 'shop_the_look' "
        "and representation == 'float'"
    )
    low, high = scores["value"].min(), scores["value"].max()
    assert f"shop_the_look float P@1 {low:.3f} to {high:.3f}" in card
    assert "| coloured noise | none | none | none needed |" in card
    assert "| shop_the_look | product | 24 | 4 |" in card
    assert "| shop_the_look | category | 24 | 2 |" in card
    assert "| `head_steps` | `3` |" in card
    claims = json.loads((project / "results/decor/claims.json").read_text())
    assert f"- Claim C2, {next(one['verdict'] for one in claims if one['id'] == 'C2')}: " in card


def test_card_of_the_untrained_trunk_says_that_nothing_was_trained(
    project: Path, collection: Collection
) -> None:
    folders = [project / name / "decor" for name in ("models", "embeddings", "results")]
    source = read_source(collection, "imagenet", 0, *folders)
    card = model_card(source, Agreement(1, 0.0, 1.0), "unknown")
    assert "Nothing was trained." in card
    assert "None of it was learned from" in card
    assert "Claim C" not in card


def code_blocks(card: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


@pytest.fixture
def with_picture(exported: Path, collection: Collection, tmp_path: Path) -> tuple[Path, int]:
    """A copy of the export with the picture of a test item in it, and the item."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(exported, folder)
    item = int(collection.test_items()[7])
    Image.fromarray(np.array(collection.pixels[item])).save(folder / "picture.png")
    return folder, item


def test_code_of_the_card_runs_without_pytorch_and_finds_the_picture(
    with_picture: tuple[Path, int], collection: Collection
) -> None:
    folder, item = with_picture
    prepare, load, _ = code_blocks((folder / "README.md").read_text(encoding="utf-8"))
    alone = "import sys\nassert not {'torch', 'unifiedlib'} & set(sys.modules)\n"
    (folder / "as_in_the_card.py").write_text("\n".join((prepare, load, alone)), encoding="utf-8")
    command = [sys.executable, "as_in_the_card.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    by_floats, by_codes = (json.loads(line.replace("'", '"')) for line in done.stdout.splitlines())
    image = collection.items["image"].iloc[item]
    assert by_floats[0] == image
    assert image in by_codes


def test_code_of_the_card_for_pytorch_gives_the_stored_vector(
    with_picture: tuple[Path, int], stored: StoredEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, item = with_picture
    monkeypatch.chdir(folder)
    prepare, _, with_torch = code_blocks((folder / "README.md").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    exec(prepare + with_torch, names)
    expected = stored.floats[stored.rows(np.array([item]))]
    assert names["vector"].numpy() == pytest.approx(expected, abs=1e-5)  # type: ignore[attr-defined]


@pytest.mark.parametrize("shape", [(90, 61, 3), (20, 31, 3), (SIZE, SIZE, 3)])
def test_preparation_in_the_card_is_the_librarys_to_one_level(
    exported: Path, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    smooth = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(smooth).resize(shape[1::-1], Image.Resampling.BILINEAR))
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    names: dict[str, object] = {}
    exec(code_blocks((exported / "README.md").read_text(encoding="utf-8"))[0], names)
    fitted = names["fit"](str(tmp_path / "picture.png"))  # type: ignore[operator]
    assert np.abs(fitted.astype(int) - square_pixels(pixels, SIZE)).max() <= 1


# the folder


def test_export_json_holds_the_hash_of_every_other_file(project: Path, exported: Path) -> None:
    about = json.loads((exported / "export.json").read_text())
    hashes = contents(exported)
    del hashes["export.json"]
    assert {name: file["sha256"] for name, file in about["files"].items()} == hashes
    own = project / "models/decor/unified/seed-0"
    both = (own / "model.safetensors").read_bytes() + (own / "model.json").read_bytes()
    assert about["model_fingerprint"] == hashlib.sha256(both).hexdigest()
    assert about["checks"]["onnx"]["pictures"] == about["n_items"] == 24
    assert about["checks"]["onnx"]["largest_difference"] < 1e-5
    assert about["checks"]["stored"]["equal_bits"] == 1


def test_card_lists_every_file_but_itself(exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", card, re.MULTILINE))
    assert listed == set(contents(exported)) - {"README.md"}


def test_exported_model_rebuilds_itself_from_the_folder_alone(
    exported: Path, collection: Collection, stored: StoredEmbeddings
) -> None:
    model = load_model(exported)
    assert list(model.classes) == ["flashlight/category", "shop_the_look/category", "shop_the_look/product"]
    with torch.inference_mode():
        vectors = model(to_images(collection.pixels[stored.items[:4]])).numpy()
    assert vectors == pytest.approx(stored.floats[:4], abs=1e-5)


def test_failed_export_leaves_the_older_one(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied / default_folder("decor", "unified", 0)
    before = contents(folder)

    def interrupted(path: Path, *_: object) -> None:
        assert {one.name for one in path.parent.iterdir()} >= {"items.parquet", "float.faiss", "model.json"}
        raise KeyboardInterrupt

    monkeypatch.setattr("unifiedlib.export.folder.write_onnx", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["decor", "unified"])
    assert contents(folder) == before
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_older_export_is_replaced_whole(
    copied: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied / default_folder("decor", "unified", 0)
    (folder / "README.md").write_text("older", encoding="utf-8")
    (folder / "left-over.txt").write_text("older", encoding="utf-8")
    monkeypatch.setattr(
        "unifiedlib.export.folder.write_onnx",
        lambda path, *_: shutil.copyfile(exported / "model.onnx", path),
    )
    assert main(["decor", "unified"]) == 0
    assert contents(folder) == contents(exported)


def test_folder_that_is_no_export_is_not_replaced(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "notes").mkdir()
    (copied / "notes/mine.txt").write_text("mine", encoding="utf-8")
    assert main(["decor", "unified", "--to", "notes"]) == 1
    assert "notes is there and is no export" in capsys.readouterr().err
    assert [one.name for one in (copied / "notes").iterdir()] == ["mine.txt"]


def test_commit_is_unknown_outside_of_git(tmp_path: Path) -> None:
    assert code_commit(tmp_path) == "unknown"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", code_commit(REPOSITORY))


# what does not fit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["decor", "unifid"], "'decor' has no variant 'unifid'; did you mean 'unified'?"),
        (["decor", "no_layer_norm"], "'decor' has no variant 'no_layer_norm'; choose one of"),
        (
            ["decor", "unified", "--seed", "7"],
            "has no seed 7; choose one of 0, 1, 2, or add it to seeds.decor",
        ),
        (["decor", "imagenet", "--seed", "1"], "has no seed 1; choose one of 0"),
        (["decor", "lens"], "lens/seed-0/model.json is missing: run `dvc repro train-decor@decor-lens`"),
        (["photos", "unified"], "data/photos/collection.json is missing: run `dvc repro assemble@photos`"),
    ],
)
def test_what_is_not_there_to_export_is_named(
    project: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_project(project, monkeypatch)
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("models/decor/unified/seed-0/model.json", "run `dvc repro train-decor@decor-unified`"),
        ("embeddings/decor/unified/seed-0/codes.npy", "run `dvc repro binarize@decor`"),
        ("results/decor/claims.json", "run `dvc repro evaluate@decor`"),
        ("results/decor/scores.parquet", "run `dvc repro evaluate@decor`"),
        ("models/decor/unified/seed-0/model.safetensors", "is damaged or does not fit its model.json"),
    ],
)
def test_missing_input_names_the_command_that_makes_it(
    copied: Path, missing: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / missing).unlink()
    before = contents(copied / default_folder("decor", "unified", 0))
    assert main(["decor", "unified"]) == 1
    assert message in capsys.readouterr().err
    assert contents(copied / default_folder("decor", "unified", 0)) == before


def test_embeddings_of_another_training_are_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("float.npy", "codes.npy"):
        folder = copied / "embeddings/decor/unified"
        shutil.copy(folder / "seed-1" / name, folder / "seed-0" / name)
    assert main(["decor", "unified"]) == 1
    assert re.search(
        r"row 0 of the embeddings \(item 48\) is not what the model gives", capsys.readouterr().err
    )


def test_embeddings_of_another_width_are_refused(stored: StoredEmbeddings) -> None:
    with pytest.raises(ValueError, match="embeddings are 16 values wide, and the model gives 24: run"):
        check_stored(stored, np.arange(2), np.zeros((2, 24), np.float32), "decor")


def test_first_row_that_is_not_the_models_is_named(stored: StoredEmbeddings) -> None:
    rows = np.array([0, 5, 9])
    expected = stored.floats[rows].copy()
    expected[1:, 2] += 0.25
    with pytest.raises(
        ValueError, match=rf"row 5 .*item {stored.items[5]}.* differs by 0\.25.*binarize@decor"
    ):
        check_stored(stored, rows, expected, "decor")


@pytest.mark.parametrize(("name", "value"), [("variant", "lens"), ("seed", 3), ("fingerprint", "0000")])
def test_model_of_something_else_is_refused(
    copied: Path, name: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied / "models/decor/unified/seed-0/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}), encoding="utf-8")
    assert main(["decor", "unified"]) == 1
    assert f"{name} {value!r}, not" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 5}, "has no row of unified, seed 0: run `dvc repro evaluate@decor`"),
        ({"dim": 64}, "scores unified, seed 0, with 64 values, and the model gives 16: run"),
    ],
)
def test_scores_of_something_else_are_refused(
    copied: Path, change: dict[str, int], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied / "results/decor/scores.parquet"
    pd.read_parquet(path).assign(**change).to_parquet(path)
    assert main(["decor", "unified"]) == 1
    assert message in capsys.readouterr().err


def test_variant_that_the_collection_lacks_is_refused(
    tmp_path: Path, project: Path, collection: Collection
) -> None:
    folders = [project / name / "decor" for name in ("models", "embeddings", "results")]
    with pytest.raises(ValueError, match="has no variant 'unifid'; choose one of imagenet, flashlight"):
        write_export(tmp_path / "out", collection, "unifid", 0, *folders)
    assert not (tmp_path / "out").exists()


def test_export_can_lie_elsewhere(
    copied: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "unifiedlib.export.folder.write_onnx",
        lambda path, *_: shutil.copyfile(exported / "model.onnx", path),
    )
    assert main(["decor", "unified", "--to", str(tmp_path / "elsewhere")]) == 0
    assert contents(tmp_path / "elsewhere") == contents(exported)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Nothing here leaves another number of threads behind."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before
