"""Lists that a reader may unfold, as one line of HTML: Markdown leaves such a line whole, where it would end a block early."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def folded_list(title: str, entries: Iterable[tuple[str, str]]) -> str:
    """A folded list: its title, and entries of a bold head and a text, both plain.

    >>> folded_list("Why", [("C1 <1>.", "So.")])
    '<details><summary>Why</summary><ul><li><b>C1 &lt;1&gt;.</b> So.</li></ul></details>'
    """
    lines = "".join(f"<li><b>{escape(head)}</b> {escape(text)}</li>" for head, text in entries)
    return f"<details><summary>{escape(title)}</summary><ul>{lines}</ul></details>"
