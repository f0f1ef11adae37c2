"""What was removed from one network, and what that saved and cost: for notebooks, model cards, and as report.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from secateur import notebook
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.models.evaluation import Evaluation
from secateur.pruning.counting import Counts
from secateur.pruning.removal import Kept
from secateur.pruning.units import UnitGroup
from secateur.ranking.ties import Undecided
from secateur.repair import NONE

FILE = "report.json"


class Change(NamedTuple):
    """Parameters and multiply-accumulates for one image, before and after."""

    before: Counts
    after: Counts


class Tests(NamedTuple):
    """What the network was worth on the test images, before and after."""

    before: Evaluation
    after: Evaluation


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What was removed from a network, and what that saved and cost."""

    criterion: str
    rate: float
    budget: str
    seed: int
    samples: int
    """Images that the criterion looked at."""
    input_size: tuple[int, ...]
    units: dict[str, dict[str, Any]]
    """Group → `kind` of its units (reports of earlier versions lack it), and how many `at_first` and `removed`."""
    removed: dict[str, list[int]]
    """Group → the units that are gone, by their number in the network before."""
    counts: Change
    left_out: dict[str, str]
    """Layer → why none of its channels may go."""
    difference: float
    """From the whole network with the same units silent, relative to the largest output: rounding."""
    undecided: Undecided
    """Units with the score at which the cut fell: how many are gone (`removed`) of how many (`units`)."""
    kept: Kept
    """Layer → its original output channels that are left."""
    remedy: str = NONE
    """What was done to the network after units were removed, by the same images and without a label."""
    tests: Tests | None = None
    """Where test images were given."""

    def rows(self) -> list[tuple[str, str, str, str]]:
        """What is compared: its name, before, after, and how much is left."""
        at_first = sum(units["at_first"] for units in self.units.values())
        left = at_first - sum(units["removed"] for units in self.units.values())
        rows = [("units", f"{at_first:,}", f"{left:,}", _share(left, at_first))]
        for name, label in (("params", "parameters"), ("macs", "MACs an image")):
            before, after = (getattr(counts, name) for counts in self.counts)
            rows.append((label, f"{before:,}", f"{after:,}", _share(after, before)))
        if self.tests is not None:
            one, other = (f"{test.accuracy:.4f}" for test in self.tests)
            rows.append((f"accuracy on {self.tests.before.samples} images", one, other, ""))
        return rows

    def __str__(self) -> str:
        told = [(f"{name}: {before} → {after}", left) for name, before, after, left in self.rows()]
        return "\n".join([self._title(), *(f"{line} ({left} left)" if left else line for line, left in told)])

    def __repr__(self) -> str:
        return f"<Report: {str(self).replace(chr(10), '; ')}>"

    def _title(self) -> str:
        on = f"ranked on {self.samples} images" if self.samples else "ranked without images"
        then = "" if self.remedy == NONE else f", repaired by {self.remedy}"
        return f"{self.rate:g} of the {self.budget} removed by {self.criterion}, {on}{then}"

    def _repr_html_(self) -> str:
        groups = [[name, one["at_first"], one["removed"]] for name, one in self.units.items()]
        return (
            notebook.paragraph(self._title())
            + notebook.table(["", "before", "after", "left"], self.rows())
            + notebook.table(["units of", "at first", "removed"], groups)
            + notebook.folded("Not touched:", self.left_out)
        )


def tally(groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]) -> dict[str, dict[str, Any]]:
    """Group → `kind` of its units, how many there were `at_first` and how many were `removed`."""
    return {
        group.name: {"kind": group.kind, "at_first": group.size, "removed": len(selection[group.name])}
        for group in groups
    }


def write(report: Report, folder: str | Path) -> None:
    """Write report.json to `folder`: all but `kept`, which network.json has."""
    fields = {name: value for name, value in vars(report).items() if name not in ("kept", "tests", "counts")}
    fields |= {"input_size": list(report.input_size), "undecided": report.undecided._asdict()}
    fields["counts"] = {when: counts._asdict() for when, counts in report.counts._asdict().items()}
    tests = None if report.tests is None else {when: asdict(test) for when, test in report.tests._asdict().items()}
    write_json(Path(folder) / FILE, fields | {"tests": tests})


def read(folder: str | Path, kept: Kept) -> Report | None:
    """The report that `write` wrote; None where there is none. A broken one is a SecateurError."""
    path = Path(folder) / FILE
    if not path.exists():
        return None
    fields = read_json(path)
    try:
        given = {
            "input_size": tuple(fields["input_size"]),
            "undecided": Undecided(**fields["undecided"]),
            "counts": Change(*(Counts(**fields["counts"][when]) for when in Change._fields)),
            "tests": fields["tests"] and Tests(*(Evaluation(**fields["tests"][when]) for when in Tests._fields)),
        }
        return Report(**(fields | given), kept=kept)
    except (KeyError, TypeError) as error:
        raise SecateurError(f"{path}: is no report of a pruning ({error!r}). Remove it, or save again.") from None


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
