"""The look of every figure: one colour and dash per criterion, one theme, and SVG files that never differ by chance."""

import contextlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from secateur import shipped
from secateur.errors import SecateurError

DASHES: tuple[Any, ...] = ("", (4, 1.5), (1, 1), (5, 1.5, 1, 1.5))


@dataclass(frozen=True)
class Style:
    """Colours and dashes of the criteria, in the order in which legends list them."""

    colours: dict[str, str]
    dashes: dict[str, Any]
    ink: str
    line: str
    card: str


def read(path: str | Path, criteria: Iterable[str]) -> Style:
    """The look of `criteria` as report/style.yaml defines it; the criteria it does not name share `others` in order.

    Raises:
        SecateurError: unreadable file, missing key, or a colour that is not written as #RRGGBB.
    """
    try:
        written = yaml.safe_load(shipped.find(path).read_text(encoding="utf-8"))
        known, others = written["criteria"], written["others"]
        ink, line, card = written["ink"], written["line"], written["card"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SecateurError(f"{path}: needs the keys criteria, others, ink, line and card ({error!r}).") from None
    named = {f"criteria: {name}": colour for name, colour in dict(known).items()}
    named |= {f"others, number {number}": colour for number, colour in enumerate(others, 1)}
    for place, colour in {**named, "ink": ink, "line": line, "card": card}.items():
        if not isinstance(colour, str) or not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
            raise SecateurError(
                f'{path}: {place} has the colour {colour!r}; a colour is written "#RRGGBB", with six hexadecimal '
                'digits in quotation marks, such as "#0072B2".'
            )
    names = sorted(set(criteria))
    ordered = [name for name in known if name in names] + [name for name in names if name not in known]
    colours, dashes = {}, {}
    extra = 0
    for name in ordered:
        if name in known:
            colours[name], dashes[name] = known[name], ((2, 1) if name == "random" else "")
        else:
            colours[name] = others[extra % len(others)]
            dashes[name] = DASHES[1 + extra // len(others) % (len(DASHES) - 1)]
            extra += 1
    return Style(colours, dashes, ink, line, card)


@contextlib.contextmanager
def theme(style: Style, salt: str) -> Iterator[None]:
    """Matplotlib settings of all figures; `salt` makes the ids inside an SVG depend on nothing but its name."""
    import matplotlib

    matplotlib.use("agg")
    settings: Any = {
        "svg.hashsalt": salt, "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 11,
        "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 11,
        "axes.edgecolor": style.line, "axes.labelcolor": style.ink, "axes.titlecolor": style.ink,
        "text.color": style.ink, "xtick.color": style.ink, "ytick.color": style.ink, "grid.color": style.line,
        "axes.grid": True, "axes.axisbelow": True, "grid.linewidth": 0.6, "axes.spines.top": False,
        "axes.spines.right": False, "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False,
        "xtick.major.pad": 6, "ytick.major.pad": 5,
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
        "figure.constrained_layout.use": True, "text.parse_math": False,
    }  # fmt: skip
    with matplotlib.rc_context(settings):
        yield


def svg(figure: Any) -> bytes:
    """A figure as SVG without date or program version, so that the same data give the same bytes; closes it."""
    import matplotlib.pyplot as plt

    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return written.getvalue()


def slug(*parts: str) -> str:
    """A file name's stem from names: lower case letters, digits, dots and dashes."""
    return "_".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") or "x" for part in parts)


def unused(stem: str, taken: set[str]) -> str:
    """`<stem>.svg`, or with the first number that is free: two names may differ only in what a file name leaves out."""
    name, number = f"{stem}.svg", 2
    while name in taken:
        name, number = f"{stem}-{number}.svg", number + 1
    return name
