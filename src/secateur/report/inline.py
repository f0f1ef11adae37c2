"""Putting things into one HTML file: SVG with page colours and unique ids, CSV as a download, hashes for the CSP."""

import base64
import hashlib
import html
import re
from pathlib import Path

from secateur.errors import SecateurError


def svg(path: str | Path, title: str, prefix: str, colours: dict[str, str]) -> str:
    """The SVG element of a file that Matplotlib wrote, ready to stand in a page among others.

    Args:
        path: the file.
        title: what a screen reader says; escaped here.
        prefix: put before every id, so that figures on one page do not share any.
        colours: hexadecimal colour → CSS value that replaces it (to follow light and dark).

    Raises:
        SecateurError: not an SVG file, or one with a script or a reference to another file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        advice = f"Remove the folder {Path(path).parent} and run again."
        raise SecateurError(f"{path}: not a readable SVG file ({error}). {advice}") from None
    start = text.find("<svg")
    if start < 0 or re.search(r"<script|<foreignObject|\son\w+\s*=|href=\"(?!#|data:image/png)", text):
        raise SecateurError(f"{path}: not a plain SVG figure; scripts and outside references are not put into a page.")
    text = re.sub(r"<metadata>.*?</metadata>", "", text[start:], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    seen: set[str] = set()

    def own_id(match: re.Match[str]) -> str:
        """The prefixed id; Matplotlib gives equal pictures the same one, of which the first alone keeps it."""
        first = match[1] not in seen
        seen.add(match[1])
        return f' id="{prefix}{match[1]}"' if first else ""

    text = re.sub(r'\sid="([^"]+)"', own_id, text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    for found, wanted in colours.items():
        text = re.sub(re.escape(found), wanted, text, flags=re.IGNORECASE)
    head, _, rest = text.partition(">")
    width = re.search(r'viewBox="\S+ \S+ (\S+)', head)  # in points; text then has the same size in every figure
    points = float(width[1]) if width else 400.0
    style = f"max-width:{1.5 * points:.0f}px" + (f";min-width:{0.85 * points:.0f}px" if points > 420 else "")
    head = re.sub(r'\s(width|height|version|xmlns:xlink)="[^"]*"', "", head)
    text = f'{head} style="{style}" role="img" aria-label="{html.escape(title, quote=True)}">{rest}'
    return re.sub(r">\s+<", "><", text.replace("xlink:href", "href")).strip()


def data_uri(content: str | bytes, kind: str) -> str:
    """A data: address that holds `content` itself, such as a table of kind "text/csv"."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def source_hash(script: str) -> str:
    """The source expression with which a content security policy allows exactly this inline script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
