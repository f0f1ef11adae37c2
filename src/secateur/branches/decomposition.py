"""Layer or filter: the few-shot networks again with either of a criterion's two choices taken from it, or both.

A criterion chooses how many units each group loses, and which of them. Beside its own choice of both, networks lose the
criterion's numbers with units at random, the same fraction of every group in the criterion's order, and the same
fraction at random: a 2 × 2 design, of which `analysis.decomposition` makes what each choice is worth.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.branches import measurements
from secateur.branches.curvefile import write_curve
from secateur.branches.rounds import fingerprint_of
from secateur.branches.shared import Shared, same
from secateur.branches.study import Study
from secateur.choosing import EQUAL, EQUAL_SHUFFLED, SHUFFLED
from secateur.errors import SecateurError
from secateur.progress import track
from secateur.pruning.removal import Step, steps
from secateur.pruning.selection import Selection, Selector, select_many
from secateur.ranking import scorefile

Order = dict[str, np.ndarray]
"""Group → its units in the order in which they go."""


def decompose(study: Study, criterion: str, seeds: Sequence[int], rankings: Path, output: Path) -> None:
    """Evaluate the networks of `decompose`: every choice but the criterion's own, which is the few-shot stage's.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        rankings: the score file.
        output: written: curves, one row per seed, sample count, choice, shuffle and rate, from rate 0 on.

    Raises:
        SecateurError: the config has no `decompose`, a rate is out of reach, or the score file does not fit.
    """
    settings = study.config.get("decompose")
    if settings is None:
        raise SecateurError("decompose: the config lacks the key, which says what to measure; `decompose: {}` will do.")
    rows: list[dict[str, Any]] = []
    shared = Shared(study.shared, f"decompose-{criterion}", fingerprint_of(study), study.example.device)
    for seed in track(seeds, len(seeds), f"decompose {study.name} {criterion}"):
        shared.hear()
        here = study.of(seed)
        model, groups = here.model(seed), here.groups
        sizes = {group.name: group.size for group in groups}
        total = sum(sizes.values())
        unpruned = {"round": 0, "rate": 0.0, "units_total": total, "units_removed": 0}
        unpruned |= measurements.of_unpruned(here, seed)
        orders = drawn(study, seed)
        for samples_per_class in map(str, settings["samples_per_class"]):
            scores = scorefile.read(rankings, seed, samples_per_class, sizes)
            for choice, shuffle, selections in _choices(study, model, scores, orders):
                key = {"seed": seed, "samples_per_class": samples_per_class, "choice": choice, "shuffle": shuffle}
                rows.append(key | unpruned)
                for step in steps(model, groups, settings["rates"], selections):
                    removed = sum(map(len, step.selection.values()))
                    counted = {"round": 1, "rate": step.rate, "units_total": total, "units_removed": removed}
                    measured = shared.row([seed, same(step.selection)], partial(_measured, here, step))
                    rows.append(key | counted | measured)
        shared.tell()
    write_curve(output, study, "fewshot", criterion, rows)


def drawn(study: Study, seed: int) -> list[Order]:
    """The random orders of one seed, one per shuffle: the same ones for every criterion and number of images."""
    orders = []
    for shuffle in range(study.config["decompose"]["shuffles"]):
        stream = streams.derive(study.config["run_seed"], "decompose", study.name, seed, shuffle)
        generator = np.random.default_rng(stream)
        orders.append({group.name: generator.permutation(group.size) for group in study.groups})
    return orders


def first_of(order: Mapping[str, np.ndarray], like: Selection) -> Selection:
    """The units that go in a given order when each group loses as many as in the selection `like`."""
    return {name: sorted(order[name][: len(units)].tolist()) for name, units in like.items()}


def _choices(
    study: Study, model: nn.Module, scores: Mapping[str, Tensor], orders: Sequence[Order]
) -> Iterator[tuple[str, int, list[Selection]]]:
    """Every choice but the criterion's own: its name, the shuffle's number (0 for none), and the units at each rate."""
    own = _selections(study, scores, study.selecting, model)
    equal = _selections(study, scores, Selector("per-layer", study.config["min_units"]), model)
    yield EQUAL, 0, equal
    for number, order in enumerate(orders, 1):
        yield SHUFFLED, number, [first_of(order, selection) for selection in own]
        yield EQUAL_SHUFFLED, number, [first_of(order, selection) for selection in equal]


def _selections(study: Study, scores: Mapping[str, Tensor], selector: Selector, model: nn.Module) -> list[Selection]:
    """`select_many` at the rates of `decompose`; an error names that key."""
    try:
        return select_many(study.groups, scores, study.config["decompose"]["rates"], selector, model)
    except SecateurError as error:
        raise SecateurError(f"decompose.rates, study '{study.name}': {error}") from error


def _measured(study: Study, step: Step) -> dict[str, Any]:
    return measurements.measure(study, step.model)
