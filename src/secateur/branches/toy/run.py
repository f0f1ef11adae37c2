"""One dataset of the 2-D study, from training to its three files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.branches.toy import boundaries, toy_study
from secateur.branches.toy.measure import Row, agreement, measure
from secateur.branches.toy.scoring import score_draws
from secateur.files import replacing
from secateur.progress import track

COLUMNS = [
    "dataset", "variant", "references", "steps", "model_seed", "criterion", "samples_per_class", "repetition", "rate",
    "removed", "evaluated_on", "noise_sigma", "accuracy", "accuracy_unpruned",
]  # fmt: skip
AGREEMENT_COLUMNS = [
    "dataset", "variant", "references", "steps", "model_seed", "samples_per_class", "criterion", "other", "measure",
    "k", "mean", "std", "pairs",
]  # fmt: skip


def run_toy(
    dataset_dir: str | Path,
    settings: Mapping[str, Any],
    criteria: Sequence[str | Mapping[str, Any]],
    run_seed: int,
    output_parquet: str | Path,
    output_boundaries: str | Path,
    output_stability: str | Path,
) -> None:
    """Run the study on one dataset and write its three files, each whole or not at all.

    Args:
        dataset_dir: folder with `train_inputs.npy` (N × 2 float32), `train_labels.npy` (N int64), `test_inputs.npy`,
            `test_labels.npy` (the unseen samples) and `dataset.json` with the `name` ("moons", "circles", "spirals").
        settings: keys of `Settings`; what is left out is as in the paper.
        criteria: names or entries, see `read_criteria`.
        run_seed: the run's seed; every random stream of the study derives from it.
        output_parquet: accuracies, one row a measurement: `dataset`, `variant`, `references`, `steps`, `model_seed`,
            `criterion`, `samples_per_class` (int), `repetition`, `rate` (in (0, 1)), `removed` (neurons),
            `evaluated_on` ("train" or "unseen"), `noise_sigma` (extra noise of the unseen samples; 0 for "train"),
            `accuracy`, `accuracy_unpruned` (both in [0, 1]).
        output_boundaries: NumPy archive with the classes predicted over a grid, see `boundaries.collect`.
        output_stability: how much rankings agree: `dataset`, `variant`, `references`, `steps`, `model_seed`,
            `samples_per_class`, `criterion`, `other` (the same criterion: between repetitions), `measure`, `k`, `mean`,
            `std`, `pairs`; see `stability`.

    Raises:
        SecateurError: unreadable dataset, a wrong setting or criterion, or training that misses its target.
    """
    work = toy_study.read(dataset_dir, settings, criteria, run_seed)
    tables: list[pd.DataFrame] = []
    rows: list[Row] = []
    pictures: dict[str, np.ndarray] = {}
    models = work.models()
    for kind, variant, seed in track(models, len(models), f"toy {work.name}"):
        model = work.train(kind, variant, seed)
        for references in work.references(kind):
            scores = score_draws(work, model, references, (variant, seed))
            table = measure(work, model, references, scores)
            labels: dict[str, Any] = {
                "dataset": work.name, "variant": variant, "references": references, "steps": kind, "model_seed": seed
            }  # fmt: skip
            tables.append(table.assign(**labels))
            rows += [labels | row for row in agreement(work, references, scores)]
            if seed == 0 and kind == work.settings.steps[0]:
                pictures |= boundaries.collect(work, model, variant, references, scores)
    _write(pd.concat(tables, ignore_index=True)[COLUMNS], output_parquet)
    _write(pd.DataFrame(rows, columns=AGREEMENT_COLUMNS), output_stability)
    with replacing(output_boundaries) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **pictures)  # type: ignore[arg-type]


def _write(table: pd.DataFrame, path: str | Path) -> None:
    tablefile.write(path, table)
