"""The pages in a real browser, cut off from any network: nothing is missed, nothing is hidden, at a desk and on a phone.

Needs Chromium (Debian: `apt install chromium`), driven through Playwright; skips where there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from unifiedlib.cleaning import read_notebook
from unifiedlib.html import render

REPOSITORY = Path(__file__).resolve().parent.parent
STORED = ("05_report", "12_verdicts")
RUN = sorted(REPOSITORY.glob("executed/*/05_report.html")) + sorted(REPOSITORY.glob("executed/12_*.html"))
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LARGEST = 10_000_000
# What a page must show without being scrolled sideways; wide tables scroll inside their own frame.
STATE = """() => ({
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  pictures: [...document.images].map(one => [one.complete && one.naturalWidth > 0, one.clientWidth, one.clientHeight]),
  tables: [...document.querySelectorAll("table")].filter(one => !one.closest("details"))
    .map(one => [one.clientWidth, one.clientHeight]),
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  title: document.title,
  words: document.body.innerText.length,
})"""


def chromium() -> str | None:
    """Chromium's program, by the variable CHROMIUM or by its usual names."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on this machine: install it (Debian: apt install chromium) or set CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Seen:
    """What a page showed, and what went wrong while it was opened."""

    state: dict[str, object] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def watch(page: Page, seen: Seen) -> None:
    page.on("requestfailed", lambda request: seen.failed.append(request.url))
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))


def look(browser: Browser, path: Path, size: dict[str, int], scheme: str = "light") -> Seen:
    """Open a page without a network and say what it shows."""
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    seen = Seen()
    try:
        page = context.new_page()
        watch(page, seen)
        page.goto(path.as_uri(), wait_until="load")
        seen.state = page.evaluate(STATE)
    finally:
        context.close()
    return seen


def brightness(colour: object) -> float:
    """Mean of the channels of "rgb(1, 2, 3)"."""
    channels = str(colour).partition("(")[2].rstrip(")").split(",")[:3]
    return sum(map(float, channels)) / 3


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of the stored notebooks, at smoke size."""
    folder = tmp_path_factory.mktemp("pages")
    for name in STORED:
        notebook = read_notebook(REPOSITORY / "notebooks" / f"{name}.ipynb")
        (folder / f"{name}.html").write_text(
            render(notebook, "smoke size", REPOSITORY / "notebooks"), encoding="utf-8"
        )
    return {name: folder / f"{name}.html" for name in STORED}


def check(seen: Seen) -> None:
    assert seen.failed == []
    assert seen.errors == []
    assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []
    assert seen.state["overflow"] == 0, "the page scrolls sideways"
    for number, (loaded, width, height) in enumerate(seen.state["pictures"]):  # type: ignore[arg-type]
        assert loaded, f"picture {number} did not load"
        assert min(width, height) >= 20, f"picture {number} is {width} x {height} pixels"
    assert all(min(size) > 20 for size in seen.state["tables"])  # type: ignore[attr-defined]
    assert seen.state["pictures"]
    assert seen.state["tables"]
    assert int(seen.state["words"]) > 1000  # type: ignore[call-overload]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", STORED)
def test_page_shows_all_without_a_network(
    browser: Browser, stored: dict[str, Path], name: str, size: dict[str, int]
) -> None:
    check(look(browser, stored[name], size))


@pytest.mark.parametrize("name", STORED)
def test_page_is_dark_where_the_reader_wants_it_dark(
    browser: Browser, stored: dict[str, Path], name: str
) -> None:
    light, dark = (look(browser, stored[name], DESK, scheme).state for scheme in ("light", "dark"))
    assert brightness(light["paper"]) > 200 > 80 > brightness(light["ink"])
    assert brightness(dark["paper"]) < 60 < 180 < brightness(dark["ink"])


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.relative_to(REPOSITORY / "executed").as_posix())
def test_page_of_a_run_is_whole_and_light(browser: Browser, path: Path) -> None:
    assert path.stat().st_size < LARGEST
    check(look(browser, path, PHONE))


def test_picture_from_elsewhere_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    """The check can fail: a page that asks for a picture, overflows, and has a script that breaks."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<body style='width: 3000px'><img src='https://example.org/a.png'><script>throw new Error('no')</script>"
    )
    seen = look(browser, page, PHONE)
    assert seen.failed == ["https://example.org/a.png"]
    assert len(seen.errors) == 2
    assert int(seen.state["overflow"]) > 1000  # type: ignore[call-overload]
    with pytest.raises(AssertionError):
        check(seen)


def test_browser_has_no_network(browser: Browser) -> None:
    context = browser.new_context(offline=True)
    with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
        context.new_page().goto("http://127.0.0.1:9/")
    context.close()
