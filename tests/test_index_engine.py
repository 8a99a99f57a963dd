from __future__ import annotations

import re
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from small_world import SIZE, picture, write_small
from tiny_project import REPOSITORY

from unifiedlib.contract import Collection, load_collection
from unifiedlib.decoding import decode_items
from unifiedlib.embedding import write_embeddings
from unifiedlib.fingerprint import model_fingerprint
from unifiedlib.index import Index, Where
from unifiedlib.index.__main__ import main
from unifiedlib.index.engine import SearchEngine
from unifiedlib.index.queries import query_pixels
from unifiedlib.model import EmbeddingModel, ModelSettings, load_model, save_model
from unifiedlib.paths import ROOT_VARIABLE
from unifiedlib.pictures import PictureError

PLACE = "decor/unified/seed-0"


def write_model(folder: Path, seed: int) -> None:
    settings = ModelSettings("test_resnet", "none", 64, SIZE)
    torch.manual_seed(seed)
    model = EmbeddingModel(settings, {}, torch.Generator().manual_seed(seed))
    save_model(folder, model.eval(), {"seed": seed}, "step\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's folder as the pipeline leaves it: a small collection in the place of decor, a model, its embeddings."""
    root = tmp_path_factory.mktemp("repository")
    collection = write_small(root / "data" / "decor")
    (root / "data" / collection.name).symlink_to("decor")
    write_model(root / "models" / PLACE, 0)
    write_embeddings(root / "embeddings" / PLACE, load_model(root / "models" / PLACE), collection, 16)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, and the current one."""
    shutil.copytree(made, tmp_path / "repository")
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "repository"))
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def collection(root: Path) -> Collection:
    return load_collection(root / "data" / "decor")


@pytest.fixture
def engine(collection: Collection) -> SearchEngine:
    return SearchEngine.build(f"models/{PLACE}", f"embeddings/{PLACE}", collection)


# Searching


def test_an_item_finds_itself_first(engine: SearchEngine, collection: Collection) -> None:
    for item in engine.index.ids[[0, 7, 15]]:
        matches = engine.search(np.array(collection.pixels[item]), k=5)
        assert matches.ids[0] == item
        assert matches.distances[0] == pytest.approx(1, abs=1e-5)
        assert np.array_equal(matches.query, collection.pixels[item])


@pytest.mark.parametrize("representation", ["float", "binary", "reranked"])
def test_results_are_those_of_the_index_for_the_embedding(
    collection: Collection, representation: str
) -> None:
    engine = SearchEngine.build(
        f"models/{PLACE}", f"embeddings/{PLACE}", collection, representation=representation
    )
    stored = np.load(f"embeddings/{PLACE}/float.npy")
    matches = engine.search(np.array(collection.pixels[60]), k=4)
    row = np.flatnonzero(np.load(f"embeddings/{PLACE}/items.npy") == 60)
    expected = engine.index.search(stored[row], 4, model=engine.fingerprint)
    assert np.array_equal(matches.ids, expected.ids[0])
    assert np.allclose(matches.distances, expected.distances[0], atol=1e-5)


def test_gallery_items_are_tagged_with_domain_and_tasks(engine: SearchEngine, collection: Collection) -> None:
    assert np.array_equal(engine.index.ids, collection.gallery("merged"))
    pixels = np.array(collection.pixels[60])
    for task in collection.tasks:
        gallery = collection.gallery(task)
        found = engine.search(pixels, k=len(gallery), where=Where(task=task)).ids
        assert np.array_equal(np.sort(found), gallery)
    found = engine.search(pixels, k=4, where=Where(domain="catalog")).ids
    assert set(collection.items["domain"].iloc[found]) == {"catalog"}


def test_a_saved_engine_finds_the_same(engine: SearchEngine, tmp_path: Path) -> None:
    engine.index.save(tmp_path / "index")
    loaded = SearchEngine.load(f"models/{PLACE}", tmp_path / "index", verify=True)
    one, other = (found.search(picture(3), k=6) for found in (engine, loaded))
    assert np.array_equal(one.ids, other.ids)
    assert np.array_equal(one.distances, other.distances)


def test_k_beyond_the_shortlist_widens_it(engine: SearchEngine) -> None:
    assert len(engine.search(picture(3), k=8, shortlist=2).ids) == 8


# Pictures


def test_pixels_are_those_that_the_pipeline_makes_of_a_file_and_a_box(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    large = Image.fromarray(wide).resize((800, 600), Image.Resampling.BICUBIC)
    large.save(tmp_path / "a.jpg", quality=90)
    for box in (None, (0.1, 0.2, 0.7, 0.9), (0.5, 0.0, 0.55, 1.0)):
        items = pd.DataFrame({"image": ["a.jpg"], "box": [box]})
        expected, left_out = decode_items(items, tmp_path, 48, tmp_path / f"{box}")
        assert left_out == []
        assert np.array_equal(query_pixels(tmp_path / "a.jpg", 48, box), expected[0])


def test_path_picture_and_pixels_give_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for box in (None, (0.0, 0.5, 0.5, 1.0)):
        with Image.open(tmp_path / "a.png") as opened:
            ways = [query_pixels(one, 16, box) for one in (tmp_path / "a.png", opened, pixels)]
        assert all(np.array_equal(way, ways[0]) for way in ways)
        assert np.array_equal(query_pixels(str(tmp_path / "a.png"), 16, box), ways[0])


def test_a_sideways_picture_of_pillow_is_turned_as_its_file_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(query_pixels(opened, 16), query_pixels(tmp_path / "a.png", 16))


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert (query_pixels(clear, 8) == 255).all()


@pytest.mark.parametrize(
    ("given", "box", "error", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), None, TypeError, "pixels are float32; they must be uint8"),
        (np.zeros((4, 4), np.uint8), None, ValueError, r"pixels have shape \[4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), None, ValueError, r"pixels have shape \[0, 4, 3\]"),
        (Image.new("F", (4, 4)), None, PictureError, "a picture of mode 'F' has no known range"),
        ("absent.jpg", None, PictureError, "absent.jpg: no such picture"),
        (
            picture(0),
            (0.5, 0, 0.5, 1),
            ValueError,
            r"box is \[0.5, 0, 0.5, 1\]; it must be \(x0, y0, x1, y1\)",
        ),
        (picture(0), (0, 0, 1.1, 1), ValueError, "with 0 <= x0 < x1 <= 1"),
        (picture(0), (0, 0, 1), ValueError, r"box is \[0, 0, 1\]"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused(
    given: object, box: tuple[float, ...] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        query_pixels(given, 16, box)


def test_a_truncated_picture_of_pillow_is_refused(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])
    with Image.open(tmp_path / "b.png") as opened, pytest.raises(PictureError, match="corrupt or truncated"):
        query_pixels(opened, 16)


# Model and index belong together


def test_an_index_of_another_model_is_refused(engine: SearchEngine, root: Path) -> None:
    engine.index.save(root / "index")
    write_model(root / "models/other", 1)
    with pytest.raises(ValueError, match=f"holds embeddings of model {engine.fingerprint}, not of"):
        SearchEngine.load("models/other", "index")
    Index.build(np.eye(64, dtype=np.float32)).save(root / "unnamed")
    with pytest.raises(ValueError, match="holds embeddings of model unknown, not of"):
        SearchEngine.load(f"models/{PLACE}", "unnamed")


def test_either_file_of_a_model_changes_its_fingerprint(root: Path) -> None:
    folder = root / "models" / PLACE
    first = model_fingerprint(folder)
    (folder / "model.json").write_text((folder / "model.json").read_text() + "\n")
    second = model_fingerprint(folder)
    write_model(folder, 2)
    assert len({first, second, model_fingerprint(folder)}) == 3
    (folder / "model.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"model.json is missing; run the train stage first"):
        model_fingerprint(folder)


def test_embeddings_of_a_model_that_was_trained_again_are_refused(root: Path, collection: Collection) -> None:
    write_model(root / "models" / PLACE, 3)
    with pytest.raises(
        ValueError, match=r"as stored is not what .* makes of it .*: run the binarize stage again"
    ):
        SearchEngine.build(f"models/{PLACE}", f"embeddings/{PLACE}", collection)


# Showing


def test_results_are_shown_with_the_pictures_of_the_collection(engine: SearchEngine) -> None:
    figure = engine.show(engine.search(picture(3), k=4))
    assert isinstance(figure, Figure)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sum(text.startswith("cosine ") for text in texts) == 4


def test_a_collection_that_changed_since_is_not_shown(engine: SearchEngine, root: Path) -> None:
    matches = engine.search(picture(3), k=4)
    about = root / "data/decor/collection.json"
    about.write_text(about.read_text().replace(engine.index.facts.about["collection_fingerprint"], "other"))
    with pytest.raises(ValueError, match="'small' is not as it was indexed: build the index again"):
        engine.show(matches, load_collection(root / "data/decor"))


# The command and the page


def test_the_command_builds_what_the_page_loads(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decor", "unified", "--seed", "0"]) == 0
    assert "indexes/decor/unified/seed-0: 16 items, reranked, flat" in capsys.readouterr().out
    Image.fromarray(picture(3)).save(root / "picture.jpg")
    page = (REPOSITORY / "docs/search.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(code) >= 2
    names: dict[str, object] = {"print": lambda *values: print(*values, file=StringIO())}
    for block in code:
        exec(compile(block, "docs/search.md", "exec"), names)
    assert isinstance(names["engine"], SearchEngine)


def test_the_command_names_what_is_missing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decor", "lens"]) == 1
    assert "holds no model; run the train stage first" in capsys.readouterr().err
    assert not (root / "indexes").exists()
