"""An executed notebook as one HTML page that needs no network: code folded away, figures and styles inside the file."""

from __future__ import annotations

import re
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path

from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from unifiedlib.progress import PROGRESS_LINE

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
LINK = "a"
LOADING_ATTRIBUTES = frozenset(
    {"src", "srcset", "href", "xlink:href", "poster", "data", "background", "action"}
)
REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
REMOTE_STYLE = re.compile(r"@import[^;]*|url\(\s*['\"]?(?:https?:)?//[^)]*\)", re.IGNORECASE)


class _Loads(HTMLParser):
    """Collects what a browser would fetch from elsewhere: every remote address but those of plain links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in attrs:
            if value and (
                (tag != LINK and name in LOADING_ATTRIBUTES and REMOTE.match(value))
                or (name == "style" and REMOTE_STYLE.search(value))
            ):
                self.found.append(f"<{tag} {name}={value[:80]!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += REMOTE_STYLE.findall(data)


def network_loads(page: str) -> list[str]:
    """What a page would fetch from elsewhere: remote sources, stylesheets, imports. Links to click are none of these.

    >>> network_loads('<a href="https://arxiv.org">paper</a> <img src="https://example.org/a.png">')
    ["<img src='https://example.org/a.png'>"]
    """
    parser = _Loads()
    parser.feed(page)
    return parser.found


def _style() -> str:
    light, dark = HtmlFormatter(style="friendly"), HtmlFormatter(style="github-dark")
    rules = [
        line
        for line in light.get_style_defs(".highlight pre").splitlines()
        if line.startswith(".highlight pre .")
    ]
    dark_rules = [
        line
        for line in dark.get_style_defs(".highlight pre").splitlines()
        if line.startswith(".highlight pre .")
    ]
    page = (TEMPLATES / "page" / "style.css").read_text(encoding="utf-8")
    return "\n".join([page, *rules, "@media (prefers-color-scheme: dark) {", *dark_rules, "}"])


def _title(notebook: NotebookNode, otherwise: str) -> str:
    """The notebook's first heading, without Markdown signs."""
    for cell in notebook.cells:
        heading = (
            re.search(r"^#+\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        )
        if heading:
            return re.sub(r"[*_`]", "", heading.group(1)).strip()
    return otherwise


def _without_progress(output: NotebookNode) -> list[NotebookNode]:
    """A text output as two: what was said, and the lines of progress, marked as such; nothing where one is empty."""
    progress = PROGRESS_LINE.findall(output.text)
    said = output | {"text": PROGRESS_LINE.sub("", output.text)}
    folded = output | {"text": "".join(progress), "is_progress": True}
    return [NotebookNode(one) for one in (folded, said) if one["text"].strip()]


def fold_progress(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each cell's text comes in one piece, its lines of progress apart from the rest."""
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(deepcopy(notebook), {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                part
                for output in cell.outputs
                for part in (_without_progress(output) if output.output_type == "stream" else [output])
            ]
    return notebook


def render(notebook: NotebookNode, about: str, folder: Path) -> str:
    """The notebook as a page.

    about: a line for the top of the page, such as its collection. folder: where relative pictures in its texts lie.
    A Content-Security-Policy in the page keeps browsers from fetching anything, whatever an output may hold.
    """
    config = Config({"NbConvertBase": {"display_data_priority": SHOWN}})
    exporter = HTMLExporter(
        template_name="page", extra_template_basedirs=[str(TEMPLATES)], embed_images=True, config=config
    )
    page = {"title": _title(notebook, about), "about": about, "style": _style()}
    resources = {"metadata": {"path": str(folder)}, "page": page}
    body, _ = exporter.from_notebook_node(fold_progress(notebook), resources=resources)
    return str(body)
