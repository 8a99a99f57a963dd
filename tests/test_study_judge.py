"""The judging tool: every answer is on the disk before the next screen, and nothing that does not fit is taken."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_world import write_small
from tiny_project import REPOSITORY

from unifiedlib.contract import Collection
from unifiedlib.embedding import binarize
from unifiedlib.study import __main__ as command
from unifiedlib.study.document import RATER_FOLDER, Study, read_study
from unifiedlib.study.judge import Judge, judge
from unifiedlib.study.log import Answer, RaterLog, read_logs
from unifiedlib.study.picture import GAP, QUERY_TILE, TILE, list_picture, query_picture
from unifiedlib.study.presentation import shown_on
from unifiedlib.study.session import KEYS, LEAST_SECONDS, UNDO_KEY, WORDS, Session


class Clock:
    """A clock that goes on by `step` seconds whenever it is looked at."""

    def __init__(self, step: float = 2.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a collection, embeddings of two variants, and a study in `first`."""
    root = tmp_path_factory.mktemp("root")
    (root / "params.yaml").touch()
    collection = write_small(root / "data/decor")
    items = collection.test_items()
    for number, variant in enumerate(("imagenet", "unified")):
        folder = root / "embeddings/decor" / variant / "seed-0"
        folder.mkdir(parents=True)
        floats = np.random.default_rng(number).standard_normal((len(items), 16)).astype(np.float32)
        for name, array in {"items": items, "float": floats, "codes": binarize(floats)}.items():
            np.save(folder / f"{name}.npy", array)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNIFIEDLIB_ROOT", str(root))
        line = "make first --ours unified --theirs imagenet --queries 4 --k 3 --repeats 0.25"
        assert command.main(line.split()) == 0
    return root


@pytest.fixture
def folder(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study, in a folder of the test's own."""
    monkeypatch.setenv("UNIFIEDLIB_ROOT", str(world))
    for name in ("study.json", "key.json"):
        (tmp_path / name).write_bytes((world / "first" / name).read_bytes())
    return tmp_path


@pytest.fixture
def study(folder: Path) -> Study:
    return read_study(folder)


def rater_path(folder: Path, rater: str = "ann") -> Path:
    return folder / RATER_FOLDER / f"{rater}.jsonl"


# Saving


def test_every_answer_is_in_the_file_before_the_next_screen(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    for number, answer in enumerate(("left", "right", "tie", "neither"), 1):
        session.answer(answer)
        lines = rater_path(folder).read_text().splitlines()
        assert len(lines) == 1 + number
        assert json.loads(lines[-1]) == {
            "place": number - 1,
            "pair": session.screens[number - 1].pair,
            "answer": answer,
            "seconds": 2.0,
        }


def test_nothing_is_written_before_the_first_answer(folder: Path, study: Study) -> None:
    Session(folder, study, "ann", Clock())
    assert not rater_path(folder).exists()


def test_same_rater_goes_on_where_they_stopped(folder: Path, study: Study) -> None:
    first = Session(folder, study, "ann", Clock())
    first.answer("left")
    first.answer("tie")
    again = Session(folder, study, "ann", Clock())
    assert again.n_answered == 2
    assert again.log.answers == first.log.answers
    assert again.shown() == shown_on(study, again.screens[2])


def test_each_rater_has_a_file(folder: Path, study: Study) -> None:
    for rater in ("ann", "bob"):
        Session(folder, study, rater, Clock()).answer("left")
    logs = read_logs(folder, study)
    assert [(log.header["rater"], len(log.answers)) for log in logs] == [("ann", 1), ("bob", 1)]


def test_undo_takes_the_last_answer_back_for_good(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    session.answer("left")
    session.answer("right")
    session.undo()
    assert Session(folder, study, "ann", Clock()).n_answered == 1
    session.answer("neither")
    assert [one.answer for one in RaterLog.open(folder, study, "ann").answers] == ["left", "neither"]


def test_undo_without_an_answer_is_refused(folder: Path, study: Study) -> None:
    with pytest.raises(ValueError, match="no answer to take back"):
        Session(folder, study, "ann", Clock()).undo()


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_last_line_cut_off_in_writing_is_asked_again(folder: Path, study: Study, cut: int) -> None:
    session = Session(folder, study, "ann", Clock())
    session.answer("left")
    session.answer("right")
    path = rater_path(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = Session(folder, study, "ann", Clock())
    assert again.log.cut_off
    assert [one.answer for one in again.log.answers] == ["left"]
    again.answer("right")
    assert path.read_bytes() == whole


def test_damaged_line_in_the_middle_is_named(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    for _ in range(3):
        session.answer("left")
    lines = rater_path(folder).read_text().splitlines(keepends=True)
    rater_path(folder).write_text("".join([*lines[:2], "{broken\n", *lines[3:]]))
    with pytest.raises(ValueError, match=r"ann\.jsonl, line 3 is damaged"):
        Session(folder, study, "ann")


def test_answer_to_another_screen_is_named(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    session.answer("left")
    with rater_path(folder).open("a") as stream:
        stream.write('{"place": 5, "pair": 0, "answer": "left", "seconds": 1.0}\n')
    with pytest.raises(ValueError, match=r"line 3 is no answer to this study's next screen"):
        Session(folder, study, "ann")


def test_file_of_another_study_is_refused(folder: Path, study: Study) -> None:
    Session(folder, study, "ann", Clock()).answer("left")
    changed = study.model_copy(update={"k": study.k + 1})
    with pytest.raises(ValueError, match=r"holds answers to another study.*answer under another name"):
        Session(folder, changed, "ann")


@pytest.mark.parametrize("rater", ["../ann", "a/b", "/tmp/ann", "", ".", "Ann", "a b", "x" * 41, "ann\n"])
def test_rater_name_that_could_leave_the_folder_is_refused(folder: Path, study: Study, rater: str) -> None:
    with pytest.raises(ValueError, match=r"rater is .* a name has 1 to 40 small letters"):
        Session(folder, study, rater)
    assert not (folder / RATER_FOLDER).exists()


def test_second_window_under_the_same_name_cannot_write(folder: Path, study: Study) -> None:
    one, other = (Session(folder, study, "ann", Clock()) for _ in range(2))
    one.answer("left")
    with pytest.raises(ValueError, match="another window answers under this name"):
        other.answer("right")
    assert other.n_answered == 0
    assert len(rater_path(folder).read_text().splitlines()) == 2


def test_unknown_answer_is_refused_and_not_saved(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    with pytest.raises(ValueError, match="answer is 'both'; choose one of left, right, tie, neither"):
        session.answer("both")
    assert not rater_path(folder).exists()


def test_killed_kernel_keeps_what_was_answered(folder: Path, world: Path) -> None:
    """A process answers, says so and is killed at once, without a chance to tidy up."""
    source = (
        "import sys; from pathlib import Path; from unifiedlib.study.document import read_study\n"
        "from unifiedlib.study.session import Session\n"
        f"folder = Path({str(folder)!r}); session = Session(folder, read_study(folder), 'ann')\n"
        "for answer in ('left', 'tie', 'right'):\n    session.answer(answer); print(answer, flush=True)\n"
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(3)] == ["left", "tie", "right"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    log = RaterLog.open(folder, read_study(folder), "ann")
    assert [one.answer for one in log.answers] == ["left", "tie", "right"]


# Keys


def test_key_that_is_held_down_counts_once(folder: Path, study: Study) -> None:
    clock = Clock(LEAST_SECONDS / 10)
    clock.now = -100.0
    session = Session(folder, study, "ann", clock)
    clock.now += 5
    assert session.press("q") == ""
    assert {session.press("q") for _ in range(40)} == {
        "That was too quick to be counted: look, then press again."
    }
    assert session.n_answered == 1


@pytest.mark.parametrize(("key", "answer"), [*KEYS.items(), ("Q", "left")])
def test_keys_stand_for_answers(folder: Path, study: Study, key: str, answer: str) -> None:
    session = Session(folder, study, "ann", Clock())
    assert session.press(key) == ""
    assert session.log.answers[0].answer == answer


def test_unknown_key_is_named_and_saves_nothing(folder: Path, study: Study) -> None:
    session = Session(folder, study, "ann", Clock())
    assert "“x” stands for nothing: press q, t, n, p, or u" in session.press("x")
    assert session.n_answered == 0


def test_no_key_is_a_command_of_jupyterlab() -> None:
    """Where the field has lost the focus, a stray key must not change or delete the notebook's cell."""
    schemas = Path(sys.prefix, "share/jupyter/lab/schemas").rglob("*.json")
    shortcuts = [
        one for path in schemas for one in json.loads(path.read_text()).get("jupyter.lab.shortcuts", [])
    ]
    taken = {one["keys"][0].lower() for one in shortcuts if one.get("keys")}
    assert {"a", "b", "r"} <= taken
    assert not taken & {*KEYS, UNDO_KEY}
    assert list(WORDS) == list(KEYS)


# The tool


@pytest.fixture
def tool(folder: Path) -> Judge:
    return judge(folder, "ann", Clock())


def shown_pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_tool_shows_the_screen_that_waits(tool: Judge) -> None:
    shown, pixels = tool.session.shown(), tool.collection.pixels
    assert tool.query.value == query_picture(pixels[shown.query])
    assert tool.left.value == list_picture(pixels[shown.left])
    assert tool.right.value == list_picture(pixels[shown.right])
    assert shown.question in tool.question.value
    assert tool.count.value == f"0 of {len(tool.session.screens)} answered"


def test_typing_into_the_field_answers_and_empties_it(tool: Judge) -> None:
    before = tool.left.value
    tool.key.value = "q"
    assert tool.key.value == ""
    assert [one.answer for one in tool.session.log.answers] == ["left"]
    assert tool.left.value != before
    assert tool.progress.value == 1
    tool.key.value = "u"
    assert tool.session.n_answered == 0
    assert tool.left.value == before


def test_buttons_answer_and_give_the_focus_back(tool: Judge) -> None:
    sent: list[object] = []
    tool.key.send = sent.append
    for button, answer in zip(tool.buttons.values(), KEYS.values(), strict=True):
        button.click()
        assert tool.session.log.answers[-1].answer == answer
    tool.undo.click()
    assert tool.session.n_answered == 3
    assert sent == [{"do": "focus"}] * 5


def test_end_is_said_and_buttons_rest(tool: Judge) -> None:
    for _ in tool.session.screens:
        tool.key.value = "t"
    assert "Done" in tool.question.value
    assert all(button.disabled for button in tool.buttons.values())
    tool.key.value = "q"
    assert tool.session.n_answered == len(tool.session.screens)
    tool.key.value = "u"
    assert not any(button.disabled for button in tool.buttons.values())


def test_failure_to_save_is_said_and_not_counted(tool: Judge, folder: Path) -> None:
    (folder / RATER_FOLDER).write_text("a file where the folder should be")
    tool.key.value = "q"
    assert "Not saved: " in tool.message.value
    assert tool.count.value.startswith("0 of ")


def test_cut_off_answer_is_said(tool: Judge, folder: Path) -> None:
    tool.key.value = "q"
    path = rater_path(folder)
    path.write_bytes(path.read_bytes()[:-3])
    assert "cut off" in judge(folder, "ann", Clock()).message.value


def test_nothing_in_the_tool_names_a_system(tool: Judge) -> None:
    states = []
    waiting = [tool.panel]
    while waiting:
        widget = waiting.pop()
        waiting += getattr(widget, "children", ())
        states.append(str(widget.get_state()))
    shown = " ".join(states) + str(tool._repr_mimebundle_())
    assert "click here" in shown
    assert not [name for name in ("unified", "imagenet", "ours", "theirs", "float32") if name in shown]


def test_changed_collection_is_refused(folder: Path) -> None:
    content = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps(content | {"collection": "other"}))
    with pytest.raises(ValueError, match="made from another state of collection 'small'"):
        judge(folder, "ann")


def test_list_is_a_sheet_of_rows() -> None:
    pixels = np.zeros((7, 8, 8, 3), np.uint8)
    pixels[6, ..., 1] = 255
    sheet = shown_pixels(list_picture(pixels))
    pitch = TILE + GAP
    assert sheet.shape == (2 * pitch - GAP, 5 * pitch - GAP, 3)
    assert sheet[pitch + 3, pitch + 3].tolist() == [0, 255, 0]
    assert sheet[pitch + 3, 4 * pitch].tolist() == [255, 255, 255]
    assert shown_pixels(list_picture(pixels[:1])).shape == (QUERY_TILE, QUERY_TILE, 3)


# The command line


def test_results_unblind_and_analyse_what_raters_said(
    folder: Path, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two raters who always take our list win every pair, whichever side it stood on."""
    key = json.loads((folder / "key.json").read_text())["ours_left"]
    for rater in ("ann", "bob"):
        session = Session(folder, study, rater, Clock())
        for screen in session.screens:
            session.answer("left" if key[screen.pair] != screen.mirrored else "right")
    assert command.main(["results", str(folder)]) == 0
    said = json.loads((folder / "results/summary.json").read_text())
    assert said["simulated"] is False
    assert [one["verdict"] for one in said["results"]] == ["undecided"] * (1 + len(study.questions))
    assert all("By fewer than 20 queries" in one["how"] for one in said["results"])
    assert [one["effect"] for one in said["results"]] == [1.0] * (1 + len(study.questions))
    printed = capsys.readouterr().out
    assert "consistency" in printed
    assert sorted(path.stem for path in (folder / "results").glob("*.csv")) == [
        "agreement",
        "consistency",
        "judgements",
        "preferences",
    ]


def test_results_of_raters_who_share_no_pair_yet_have_no_agreement(folder: Path, study: Study) -> None:
    shown: set[int] = set()
    for rater in ("ann", "bob"):
        session = Session(folder, study, rater, Clock())
        assert session.screens[0].pair not in shown
        shown.add(session.screens[0].pair)
        session.answer("left")
    assert command.main(["results", str(folder)]) == 0
    assert not (folder / "results/agreement.csv").exists()
    assert (folder / "results/preferences.csv").exists()


def test_results_without_answers_are_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["results", str(folder)]) == 1
    assert capsys.readouterr().err.strip() == "there are no answers yet: let somebody judge the study first"


def test_unknown_variant_on_the_command_line_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["make", str(folder / "new"), "--ours", "unifid", "--theirs", "imagenet"]) == 1
    assert "no variant 'unifid'" in capsys.readouterr().err
    assert not (folder / "new").exists()


def test_answers_are_kept_apart_from_the_collection(folder: Path, tool: Judge) -> None:
    collection: Collection = tool.collection
    assert isinstance(collection.pixels, np.memmap)
    assert Answer(0, 1, "left").seconds is None
