"""What is measured of one network of the 2-D study: accuracies after removal, and how much rankings agree."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from secateur.branches.toy import stability
from secateur.branches.toy.evaluate import accuracies, layers_of, prepare
from secateur.branches.toy.scoring import Scores, removals
from secateur.branches.toy.toy_study import EvaluationSet, ToyStudy

Row = dict[str, Any]
KEYS = ["criterion", "samples_per_class", "repetition", "removed", "evaluated_on", "noise_sigma"]


def measure(study: ToyStudy, model: nn.Sequential, references: str, scores: Scores) -> pd.DataFrame:
    """Accuracies of all pruned networks of one model: the main table (every number of samples) and the curves.

    The curves are for the first of the settings' `references` only, and without extra noise on the unseen samples.
    """
    settings = study.settings
    sets = study.evaluation_sets(settings.noise_sigmas)
    draws = settings.draws(references)
    tables = _measured(
        study, model, scores, sets, [(samples, draws, settings.removed) for samples in settings.samples_per_class]
    )
    if settings.is_first(references):
        plain = [entry for entry in sets if entry.noise_sigma == 0]
        few, repetitions = settings.curve_samples_per_class, settings.curve_repetitions
        numbers = [int(np.floor(rate * settings.units + 0.5)) for rate in settings.rates]
        tables += _measured(study, model, scores, plain, [(few, repetitions, removed) for removed in numbers])
    # A rate of the curves may be that of the main table: such rows are measured twice and kept once.
    return pd.concat(tables, ignore_index=True).drop_duplicates(KEYS, ignore_index=True)


def agreement(study: ToyStudy, references: str, scores: Scores) -> Iterator[Row]:
    """Stability rows of one model: each criterion between repetitions, then each pair of criteria (see `stability`)."""
    settings = study.settings
    for samples in settings.samples_per_class:
        ranked = [
            stability.rankings(_stacked(scores, item.name, samples, settings.draws(references)))
            for item in study.criteria
        ]
        for index, criterion in enumerate(study.criteria):
            key = {"samples_per_class": samples, "criterion": criterion.name}
            rows = stability.between_repetitions(ranked[index], settings.overlap_sizes)
            yield from (key | {"other": criterion.name} | row for row in rows)
            for further in range(index + 1, len(study.criteria)):
                rows = stability.between_criteria(ranked[index], ranked[further], settings.overlap_sizes)
                yield from (key | {"other": study.criteria[further].name} | row for row in rows)


def _measured(
    study: ToyStudy,
    model: nn.Sequential,
    scores: Scores,
    sets: list[EvaluationSet],
    cells: list[tuple[int, int, int]],
) -> list[pd.DataFrame]:
    """One table for each cell (samples per class, repetitions, neurons removed), criterion and evaluation set."""
    prepared = prepare(layers_of(model), [(entry.inputs, entry.labels) for entry in sets])
    known: dict[bytes, list[float]] = {}
    unpruned = accuracies(prepared, [torch.zeros(study.settings.units, dtype=torch.bool)], known)[0]
    tables = []
    for samples, repetitions, removed in cells:
        for criterion in study.criteria:
            gone = removals(_stacked(scores, criterion.name, samples, repetitions), removed)
            measured = np.array(accuracies(prepared, gone, known))
            tables += [
                pd.DataFrame(
                    {
                        "criterion": criterion.name,
                        "samples_per_class": samples,
                        "repetition": np.arange(repetitions),
                        "rate": removed / study.settings.units,
                        "removed": removed,
                        "evaluated_on": entry.evaluated_on,
                        "noise_sigma": entry.noise_sigma,
                        "accuracy": measured[:, column],
                        "accuracy_unpruned": unpruned[column],
                    }
                )
                for column, entry in enumerate(sets)
            ]
    return tables


def _stacked(scores: Scores, criterion: str, samples: int, repetitions: int) -> np.ndarray:
    return np.stack([scores[criterion, samples, repetition] for repetition in range(repetitions)])
