"""Which units go: lowest scores first, to a rate of the units or to a share of the parameters or MACs.

Every selection is the beginning of one fixed order of removal, so that a higher rate removes what a lower one removes,
and more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.isomorphism import classes
from secateur.pruning.prediction import Predictor
from secateur.pruning.units import UnitGroup

BUDGETS = ("units", "params", "macs")
Selection = dict[str, list[int]]


@dataclass(frozen=True)
class Selector:
    """How units are chosen by their scores.

    `scheme` "global" ranks the units of all groups together; "per-layer" removes the same fraction of each group;
    "isomorphic" removes the same fraction of all groups of one structure together, ranked among themselves (see
    `isomorphism`). At least `min_units` units stay in each group. A rate is a share of `budget`: of all "units",
    rounded to the nearest number (halves up); or the share of the network's parameters ("params") or MACs ("macs") that
    must be gone, reached with the fewest units, which needs `input_size` as channels × height × width.
    """

    scheme: str = "global"
    min_units: int = 1
    budget: str = "units"
    input_size: tuple[int, ...] | None = None


GLOBAL = Selector()
"""All units in one ranking, rates counting units."""


def select(
    groups: Sequence[UnitGroup],
    scores: Mapping[str, Tensor],
    rate: float,
    selector: Selector = GLOBAL,
    model: nn.Module | None = None,
) -> Selection:
    """Units to remove: for every group the ascending indices of its units, possibly none.

    `scores` holds one number a unit for every group; `rate` in [0, 1) is a share of the selector's budget. `model`, of
    which `groups` are the units, is needed by the scheme "isomorphic" and for budgets other than "units".

    Ties spread evenly over the groups (by a unit's relative place among its group's sorted scores), then go by the
    order of groups and units: otherwise a criterion that is zero in many places would empty the first layers.

    Raises SecateurError for a bad argument, scores that do not fit, or a rate out of reach (naming what binds).
    """
    return _Order(groups, scores, selector, model).selection(rate)


def select_many(
    groups: Sequence[UnitGroup],
    scores: Mapping[str, Tensor],
    rates: Sequence[float],
    selector: Selector = GLOBAL,
    model: nn.Module | None = None,
) -> list[Selection]:
    """`select` for several rates (any order), sorting the scores and examining the network only once."""
    order = _Order(groups, scores, selector, model)
    return [order.selection(rate) for rate in rates]


class _Order:
    """The order in which units go, and how far into it a rate leads."""

    def __init__(
        self, groups: Sequence[UnitGroup], scores: Mapping[str, Tensor], selector: Selector, model: nn.Module | None
    ) -> None:
        scheme, min_units, budget = selector.scheme, selector.min_units, selector.budget
        if budget not in BUDGETS:
            raise SecateurError(f"budget {budget!r}: allowed are {', '.join(BUDGETS)}.")
        if budget != "units" and scheme != "global":
            raise SecateurError(f"budget {budget!r} goes with scheme 'global' only, not {scheme!r}.")
        if not isinstance(min_units, int) or min_units < 1:
            raise SecateurError(
                f"min_units {min_units!r}: a whole number of at least 1 is needed, as no layer may be emptied."
            )
        if not groups:
            raise SecateurError("no unit groups to select from.")
        self.groups, self.scheme, self.min_units, self.budget = list(groups), scheme, min_units, budget
        self.classes = np.array(classes(self.groups, scheme, model))
        sorted_units = [_ascending(group, scores) for group in self.groups]
        self.allowed = [max(0, group.size - min_units) for group in self.groups]
        self.sorted = [units for units, _ in sorted_units]
        self.total = sum(group.size for group in self.groups)
        # one row a unit that may go: its score, its relative place in its group, its group and its place
        self.place = np.concatenate([np.arange(count) for count in self.allowed])
        self.group = np.concatenate([np.full(count, number) for number, count in enumerate(self.allowed)])
        value = np.concatenate([values[:count] for (_, values), count in zip(sorted_units, self.allowed, strict=True)])
        size = np.array([group.size for group in self.groups])
        relative = (self.place + 0.5) / size[self.group] if len(self.group) else self.place
        self.ranking = np.lexsort((self.place, self.group, relative, value))
        self.predictor = None
        if budget != "units":
            if model is None or selector.input_size is None:
                raise SecateurError(f"budget {budget!r} needs the model and its input size, to count what is gone.")
            self.predictor = Predictor(model, self.groups, selector.input_size)

    def selection(self, rate: float) -> Selection:
        """The units that go at `rate`."""
        if not 0 <= rate < 1:
            raise SecateurError(f"rate {rate!r}: allowed is a fraction of at least 0 and below 1.")
        if self.scheme != "global":
            counts = self._shares(rate)
        elif self.budget == "units":
            counts = self._counts(self._units(rate))
        else:
            counts = self._counts(self._cheapest(rate))
        return self._choose(counts)

    def _choose(self, counts: Sequence[int]) -> Selection:
        """The `counts` lowest units of each group."""
        return {
            group.name: sorted(units[:count].tolist())
            for group, units, count in zip(self.groups, self.sorted, counts, strict=True)
        }

    def _counts(self, length: int) -> list[int]:
        """Units that go in each group when the first `length` of the ranking go."""
        return np.bincount(self.group[self.ranking[:length]], minlength=len(self.groups)).tolist()

    def _units(self, rate: float) -> int:
        """How many units a rate means."""
        wanted = int(np.floor(rate * self.total + 0.5))
        if wanted > len(self.ranking):
            raise SecateurError(
                f"rate {rate:g} means removing {wanted} of {self.total} units, but only {len(self.ranking)} may go "
                f"when each group keeps {self.min_units}; {self._binding()}. "
                f"The highest rate is {len(self.ranking) / self.total:.4f}."
            )
        return wanted

    def _shares(self, rate: float) -> list[int]:
        """Units that go in each group when each class of groups loses the same fraction."""
        counts = np.zeros(len(self.groups), dtype=np.int64)
        for number in range(self.classes.max() + 1):
            members = np.flatnonzero(self.classes == number)
            ranking = self.ranking[np.isin(self.group[self.ranking], members)]
            wanted = rate * sum(self.groups[member].size for member in members)
            if int(np.floor(wanted)) > len(ranking):
                sizes = " + ".join(str(self.groups[member].size) for member in members)
                names = ", ".join(self.groups[member].name for member in members)
                raise SecateurError(
                    f"rate {rate:g} {self.scheme} means removing {wanted:.1f} of the {sizes} units of group {names}, "
                    f"but {self.min_units} must stay in each. Lower the rate or min_units."
                )
            going = self.group[ranking[: min(int(np.floor(wanted + 0.5)), len(ranking))]]
            counts += np.bincount(going, minlength=len(self.groups))
        return counts.tolist()

    def _cheapest(self, rate: float) -> int:
        """The shortest part of the ranking that takes `rate` of the parameters or MACs away."""
        predictor = self.predictor
        assert predictor is not None
        if rate == 0:
            return 0
        full = getattr(predictor.counts(), self.budget)

        def gone(length: int) -> float:
            return 1 - getattr(predictor.counts(self._choose(self._counts(length))), self.budget) / full

        if gone(len(self.ranking)) < rate:
            raise SecateurError(
                f"budget {rate:g} of {self.budget} cannot be reached: removing every unit that may go takes away "
                f"{gone(len(self.ranking)):.4f}; {self._binding()}. Lower the rate or min_units, or widen the scope."
            )
        low, high = 0, len(self.ranking)  # gone(low) < rate <= gone(high): what is gone only grows along the ranking
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if gone(middle) >= rate else (middle, high)
        return high

    def _binding(self) -> str:
        """The group that is the first to come down to `min_units`, in words."""
        for number, count in enumerate(self.allowed):
            if count == 0:
                return f"group {self.groups[number].name} binds first (it has {self.groups[number].size} units)"
        position = np.argsort(self.ranking)
        last = [position[self.group == number].max() for number in range(len(self.groups))]
        return f"group {self.groups[int(np.argmin(last))].name} binds first"


def _ascending(group: UnitGroup, scores: Mapping[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Units of a group from the lowest score to the highest (ties by index), and those scores."""
    if group.name not in scores:
        raise SecateurError(f"no scores for unit group {group.name}. Score all groups that are to be selected from.")
    values = scores[group.name].detach().to(device="cpu").double().numpy()
    if values.shape != (group.size,):
        raise SecateurError(f"scores of group {group.name} have shape {values.shape}; needed are {group.size} numbers.")
    if not np.isfinite(values).all():
        raise SecateurError(f"scores of group {group.name} hold values that are not finite (NaN or infinite).")
    units = np.argsort(values, kind="stable")
    return units, values[units]
