"""Units of a network and a ranking of them, as the library's functions return them; each shows itself in a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from torch import Tensor

from secateur import notebook
from secateur.pruning.units import UnitGroup


class Units(Sequence[UnitGroup]):
    """The unit groups of a network, in the order of execution; `left_out` says of other layers why they have none."""

    def __init__(self, groups: Sequence[UnitGroup], left_out: Mapping[str, str]) -> None:
        self._groups, self.left_out = list(groups), dict(left_out)

    @overload
    def __getitem__(self, index: int) -> UnitGroup: ...
    @overload
    def __getitem__(self, index: slice) -> list[UnitGroup]: ...
    def __getitem__(self, index: int | slice) -> UnitGroup | list[UnitGroup]:
        return self._groups[index]

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def total(self) -> int:
        """Number of units in all groups."""
        return sum(group.size for group in self._groups)

    def __repr__(self) -> str:
        return f"Units({self.total} in {len(self)} groups; {len(self.left_out)} layers have none)"

    def _repr_html_(self) -> str:
        rows = [
            [group.name, group.kind, group.size, "yes" if group.residual else "", ", ".join(_layers(group))]
            for group in self._groups
        ]
        table = notebook.table(["group", "kind", "units", "residual", "layers whose channels they are"], rows)
        return notebook.paragraph(repr(self)) + table + notebook.folded("No units in", self.left_out)


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Mapping[str, Tensor]):
    """Scores of a network's units, higher = more important: a mapping of unit group → one number a unit (float64)."""

    criterion: str
    scores: dict[str, Tensor]
    units: Units
    samples: int
    """Images that the criterion looked at."""
    seed: int

    def __getitem__(self, group: str) -> Tensor:
        return self.scores[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def lowest(self, count: int = 10) -> list[tuple[str, int, float]]:
        """The `count` least important units as (group, unit, score), least important first."""
        every = [
            (float(score), place, group, unit)
            for place, (group, scores) in enumerate(self.scores.items())
            for unit, score in enumerate(scores)
        ]
        return [(group, unit, score) for score, _, group, unit in sorted(every)[:count]]

    def __repr__(self) -> str:
        return f"Ranking({self.units.total} units in {len(self)} groups by {self.criterion}, {self.samples} images)"

    def _repr_html_(self) -> str:
        rows = [
            [group, len(scores), f"{scores.min():.4g}", f"{scores.median():.4g}", f"{scores.max():.4g}"]
            for group, scores in self.scores.items()
        ]
        return notebook.paragraph(repr(self)) + notebook.table(["group", "units", "lowest", "median", "highest"], rows)


def _layers(group: UnitGroup) -> list[str]:
    return [producer.layer for producer in group.producers]
