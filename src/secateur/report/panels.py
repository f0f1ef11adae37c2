"""Figures on their way into the page: panels with their captions, the 2-D study's own pictures, the curves' numbers."""

from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.repair import NONE
from secateur.report import inline
from secateur.report.explorer import embedded
from secateur.report.style import Style

SECTIONS = (
    "curve", "repaired", "macs", "params", "worst", "pareto", "speed", "maps", "wrong", "ranks", "effects", "pairs",
    "decomposition", "profile", "grid", "agreement", "cost", "boundary", "toy", "workflow",
)  # fmt: skip


def curves(path: Path) -> dict[str, Any] | None:
    """What the template needs of the interactive curves; None where the stage `figures` found nothing to draw."""
    chart = read_json(path)
    if chart is None:
        return None
    remedies = [
        name for branches in chart["settings"].values() for samples in branches.values() for names in samples.values()
        for name in names
    ]  # fmt: skip
    return {
        "data": inline.packed(embedded(chart)),
        "remedies": sorted(set(remedies), key=lambda name: (name != NONE, name)),
        **{key: list(chart[key].items()) for key in ("axes", "measures")},
    }


def figures(folder: Path, look: Style) -> dict[str, list[dict[str, Any]]]:
    """Section → figures; each has a caption and panels, one a setting, with their SVG."""
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    colours = {look.ink: "var(--ink)", look.line: "var(--line)", look.card: "var(--card)"}
    for number, entry in enumerate(_captions(folder)):
        alike = sections.setdefault(entry["section"], [])
        figure = next((one for one in alike if one["caption"] == entry["caption"]), None)
        if figure is None:
            name = entry["section"] + (f"-{len(alike) + 1}" if alike else "")
            figure = {"id": f"figure-{name}", "caption": entry["caption"], "panels": []}
            alike.append(figure)
        described = f"{entry['caption']} {entry['note']}".strip()
        drawn = inline.svg(folder / entry["file"], f"{entry['section']}: {entry['title']}", described, f"f{number}-",
                           colours)  # fmt: skip
        figure["panels"].append(entry | {"svg": drawn, "wide": "min-width" in drawn.partition(">")[0]})
    for figure in (one for alike in sections.values() for one in alike):
        figure["wide"] = any(panel["wide"] for panel in figure["panels"])
    return sections


def _captions(folder: Path) -> list[dict[str, str]]:
    """What the stage `figures` says of its files.

    Raises:
        SecateurError: no list that can be read, or one that an older version wrote.
    """
    path = folder / "captions.json"
    captions = read_json(path)
    if any({"file", "section", "title", "caption", "note"} - set(entry) for entry in captions):
        raise SecateurError(
            f"{path}: figures of an older version, without what this one says of them. Remove the folder {folder} and "
            "run again."
        )
    return captions


def pictures(folder: str | Path | None) -> list[dict[str, str]]:
    """The toy branch's own pictures, as images that cannot touch the page."""
    if folder is None:
        return []
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    return [
        {"name": path.stem.replace("_", " "), "uri": inline.data_uri(path.read_bytes(), kinds[path.suffix])}
        for path in sorted(Path(folder).glob("*"))
        if path.suffix in kinds
    ]
