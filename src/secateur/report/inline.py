"""Putting things into one HTML file: SVG with page colours and unique ids, CSV as a download, hashes for the CSP."""

import base64
import gzip
import hashlib
import html
import io
import re
from pathlib import Path

from secateur.errors import SecateurError

NARROW = 330.0
"""Points up to which a figure shrinks with its place; a wider one keeps its size and is moved sideways."""


def svg(path: str | Path, title: str, description: str, prefix: str, colours: dict[str, str]) -> str:
    """The SVG element of a file that Matplotlib wrote, ready to stand in a page among others.

    Args:
        path: the file.
        title, description: what a screen reader says, as the elements <title> and <desc>; escaped here.
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
    text = _smaller(text.replace("xlink:href", "href"))
    text = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    for plain, wanted in colours.items():
        text = re.sub(re.escape(plain), wanted, text, flags=re.IGNORECASE)
    head, _, rest = text.partition(">")
    width = re.search(r'viewBox="\S+ \S+ (\S+)', head)  # in points; text then has the same size in every figure
    points = float(width[1]) if width else 400.0
    style = f"max-width:{1.4 * points:.0f}px" + (f";min-width:{1.33 * points:.0f}px" if points > NARROW else "")
    head = re.sub(r'\s(width|height|version|xmlns|xmlns:xlink)="[^"]*"', "", head)
    words = f'<title id="{prefix}t">{html.escape(title)}</title><desc id="{prefix}d">{html.escape(description)}</desc>'
    named = f'role="img" aria-labelledby="{prefix}t" aria-describedby="{prefix}d"'
    text = f'{head} style="{style}" {named}>{words}{rest}'
    return re.sub(r">\s+<", "><", text).strip()


def _smaller(text: str) -> str:
    """The same picture in fewer letters: hundredths of a point, no ids that nothing refers to, pictures repacked."""
    kept = {*re.findall(r'href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}
    seen: set[str] = set()

    def own_id(match: re.Match[str]) -> str:
        """Matplotlib gives equal pictures the same id, of which the first alone keeps it."""
        first = match[1] in kept and match[1] not in seen
        seen.add(match[1])
        return match[0] if first else ""

    text = re.sub(r'\sid="([^"]+)"', own_id, text)
    text = re.sub(r'data:image/png;base64,([^"]+)', lambda match: _repacked(match[1]), text)
    text = re.sub(r'(?<=\s)(d|x|y|x1|x2|y1|y2)="([^"]*)"', lambda match: f'{match[1]}="{_rounded(match[2])}"', text)
    text = re.sub(r"(translate|rotate)\(([^)]*)\)", lambda match: f"{match[1]}({_rounded(match[2])})", text)
    text = re.sub(r'style="([^"]*)"', lambda match: 'style="' + re.sub(r"(?<=[:;])\s+", "", match[1]) + '"', text)
    return text.replace(' style=""', "")


def _rounded(numbers: str) -> str:
    """Numbers of a path with at most two decimals; the space between them as short as can be."""
    text = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), numbers)
    return re.sub(r"\s+", " ", text).strip()


def _repacked(encoded: str) -> str:
    """A PNG as a data address, with a palette where it has few colours or is a drawing with a see-through ground."""
    import numpy as np
    from PIL import Image

    raw, target = base64.b64decode(encoded), io.BytesIO()
    picture = Image.open(io.BytesIO(raw)).convert("RGBA")
    if np.asarray(picture)[..., 3].min() < 255:  # points that Matplotlib has drawn: a photograph is opaque
        small = picture.quantize(64, Image.Quantize.FASTOCTREE)
    else:
        pixels = np.asarray(picture)[..., :3].reshape(-1, 3)
        colours, place = np.unique(pixels, axis=0, return_inverse=True)
        if len(colours) > 256:
            return data_uri(raw, "image/png")
        small = Image.fromarray(place.reshape(picture.height, picture.width).astype(np.uint8), "P")
        small.putpalette(colours.tobytes())
    small.save(target, "PNG", optimize=True)
    return data_uri(min(raw, target.getvalue(), key=len), "image/png")


def packed(text: str | bytes) -> str:
    """Bytes as gzip in base64, always the same for the same bytes: what a script on the page unpacks."""
    raw = text.encode() if isinstance(text, str) else text
    return base64.b64encode(gzip.compress(raw, mtime=0)).decode()


def data_uri(content: str | bytes, kind: str) -> str:
    """A data: address that holds `content` itself, such as a table of kind "text/csv"."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def source_hash(script: str) -> str:
    """The source expression with which a content security policy allows exactly this inline script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
