"""Tables as a notebook shows them."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 30
"""Rows of a table; of the rest it says how many there are."""


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows of cells as HTML; the cells may hold anything."""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    lines = ["<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows[:SHOWN]]
    more = f"<p>and {len(rows) - SHOWN} more</p>" if len(rows) > SHOWN else ""
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"


def paragraph(text: str) -> str:
    """Text as HTML."""
    return f"<p>{html.escape(text)}</p>"


def folded(title: str, reasons: Mapping[str, str]) -> str:
    """Layers with a reason each, behind a line that opens them; nothing where there are none."""
    if not reasons:
        return ""
    rows = table(["layer", "why"], list(reasons.items()))
    return f"<details><summary>{html.escape(title)} {len(reasons)} layers</summary>{rows}</details>"
