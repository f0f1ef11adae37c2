"""What pruning a user's own network comes to: the network before and after, and the page that tells it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from secateur.files import write_json, write_text
from secateur.models.evaluation import Evaluation
from secateur.models.profiling import Latency
from secateur.pruning import worded
from secateur.pruning.counting import Counts
from secateur.repair import NONE


@dataclass(frozen=True)
class Worth:
    """What a network is worth and what it costs."""

    test: Evaluation
    counts: Counts
    disk_bytes: int
    latency: list[Latency]


@dataclass(frozen=True)
class Summary:
    """What was removed and kept, and the network before and after."""

    architecture: str
    criterion: str
    samples_per_class: int
    rate: float
    budget: str
    remedy: str
    """What was done after the removal, without any training: "none", or a remedy's name."""
    seed: int
    input_size: tuple[int, ...]
    classes: list[str]
    units: dict[str, dict[str, Any]]
    """Group → `kind` of its units, and how many `at_first` and `removed`."""
    left_out: dict[str, str]
    """Layer → why none of its channels may go."""
    undecided: dict[str, int]
    """Units of which some were removed and others not though all have one score: how many `removed`, of how many."""
    difference_from_mask: float
    before: Worth
    after: Worth


def write(summary: Summary, folder: Path) -> None:
    """Write `summary.json` and `summary.md` to `folder`."""
    write_json(folder / "summary.json", _named(asdict(summary)))
    write_text(folder / "summary.md", text(summary))


def text(summary: Summary) -> str:
    """The summary as a page of Markdown."""
    before, after = summary.before, summary.after
    rows = [
        ("accuracy", f"{before.test.accuracy:.4f}", f"{after.test.accuracy:.4f}", ""),
        *_worst(summary),
        ("loss", f"{before.test.loss:.4f}", f"{after.test.loss:.4f}", ""),
        _ratio("parameters", before.counts.params, after.counts.params),
        _ratio("MACs per image", before.counts.macs, after.counts.macs),
        _ratio("bytes on disk", before.disk_bytes, after.disk_bytes),
    ]
    for one, other in zip(before.latency, after.latency, strict=True):
        speed = f"{one.median / other.median:.2f} times as fast"
        rows.append((f"time, batch {one.batch}", f"{one.median * 1e3:.2f} ms", f"{other.median * 1e3:.2f} ms", speed))
    total = sum(units["at_first"] for units in summary.units.values())
    gone = sum(units["removed"] for units in summary.units.values())
    goal = f"{summary.rate:g} of the {summary.budget}"
    lines = [
        f"# {summary.architecture}, pruned by {summary.criterion}",
        "",
        f"Asked for: {goal}. Removed: {gone} of {total} units ({gone / total:.1%}), ranked on "
        f"{summary.samples_per_class} training images of each of {len(summary.classes)} classes (seed {summary.seed}), "
        f"without any training afterwards{'' if summary.remedy == NONE else f', repaired by {summary.remedy}'}.",
        *_by_kind(summary),
        f"Measured on {before.test.samples} test images at {' × '.join(map(str, summary.input_size))}; times are "
        f"medians of up to {before.latency[0].runs} runs on {before.latency[0].device}.",
        "",
        *_undecided(summary),
        "| | before | after | |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "The pruned network's outputs differ from those of the whole network with the same units silent by "
        f"{summary.difference_from_mask:.0e} of the largest output.",
        "",
        "| units of | kind | at first | removed | kept |",
        "|---|---|---|---|---|",
        *(_row(name, one) for name, one in summary.units.items()),
        "",
    ]
    if summary.left_out:
        lines += ["Not touched:", "", *(f"- {layer}: {reason}" for layer, reason in summary.left_out.items()), ""]
    return "\n".join(lines)


def _row(name: str, units: dict[str, Any]) -> str:
    at_first, removed = units["at_first"], units["removed"]
    return f"| {name} | {worded(units['kind'])} | {at_first} | {removed} | {at_first - removed} |"


def _by_kind(summary: Summary) -> list[str]:
    """How many units of each kind went, where there are several kinds."""
    counts: dict[str, list[int]] = {}
    for units in summary.units.values():
        one = counts.setdefault(units["kind"], [0, 0])
        one[0] += units["removed"]
        one[1] += units["at_first"]
    said = [f"{removed} of {total} {worded(kind)}s" for kind, (removed, total) in counts.items()]
    return [f"By kind: {', '.join(said)}."] if len(said) > 1 else []


def _undecided(summary: Summary) -> list[str]:
    """A paragraph, where the cut fell among units of one score."""
    removed, units = summary.undecided["removed"], summary.undecided["units"]
    if not removed:
        return []
    return [
        f"**{units} units have the score at which the cut fell, and {removed} of them were removed**: which ones was "
        f"decided by their order, not by {summary.criterion}.",
        "",
    ]


def _named(value: Any) -> Any:
    """The same value for JSON, with named tuples as dictionaries."""
    if hasattr(value, "_asdict"):
        return _named(value._asdict())
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list | tuple) else value


def _ratio(name: str, before: int, after: int) -> tuple[str, str, str, str]:
    return name, f"{before:,}", f"{after:,}", f"{after / before:.1%} left"


def _worst(summary: Summary) -> list[tuple[str, str, str, str]]:
    states = (summary.before.test, summary.after.test)
    cells = [f"{state.worst_class_accuracy:.4f} ({summary.classes[state.worst_class]})" for state in states]
    return [("worst class", cells[0], cells[1], "")]
