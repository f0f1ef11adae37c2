"""One dataset of the 2-D study, from training to tables: every variant, model seed, criterion, draw and rate."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from secateur.branches.toy import boundaries, draws, mlp, stability
from secateur.branches.toy.evaluate import Prepared, accuracies, layers_of, prepare
from secateur.branches.toy.scoring import Scores, removals, score_draws
from secateur.branches.toy.settings import Criterion, Settings, read_criteria, read_settings, target_and_steps
from secateur.data import points
from secateur.errors import SecateurError
from secateur.files import read_json, replacing
from secateur.progress import track
from secateur.seeds import derive

ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")
Row = dict[str, Any]


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
        output_parquet: accuracies, one row a measurement: `dataset`, `variant`, `references`, `model_seed`, `criterion`,
            `samples_per_class` (int), `repetition`, `rate` (in (0, 1)), `removed` (neurons), `evaluated_on` ("train" or
            "unseen"), `noise_sigma` (extra noise of the unseen samples; 0 for "train"), `accuracy`,
            `accuracy_unpruned` (both in [0, 1]).
        output_boundaries: NumPy archive with the classes predicted over a grid, see `boundaries.collect`.
        output_stability: how much rankings agree: `dataset`, `variant`, `references`, `model_seed`,
            `samples_per_class`, `criterion`, `other` (the same criterion: between repetitions), `measure`, `k`, `mean`,
            `std`, `pairs`; see `stability`.

    Raises:
        SecateurError: unreadable dataset, a wrong setting or criterion, or training that misses its target.
    """
    chosen = read_settings(settings)
    loaded = read_criteria(criteria, chosen.criteria_path)
    name, arrays = _read_dataset(Path(dataset_dir))
    table: list[pd.DataFrame] = []
    agreement: list[Row] = []
    pictures: dict[str, np.ndarray] = {}
    for variant, seed in track(_models(chosen), len(_models(chosen)), f"toy {name}"):
        target, steps = target_and_steps(name, chosen)
        model = mlp.train(
            torch.from_numpy(arrays["train_inputs"]),
            torch.from_numpy(arrays["train_labels"]),
            points.CLASSES[name],
            variant,
            derive(run_seed, "toy", name, "model", seed),
            target,
            steps,
            chosen.hidden,
        )
        for references in chosen.references:
            labels = {"dataset": name, "variant": variant, "references": references, "model_seed": seed}
            scores = score_draws(
                model,
                _pools(name, references, arrays, chosen, run_seed),
                loaded,
                run_seed,
                *("toy", name, variant, seed, references),
            )
            table.append(_measure(model, name, arrays, scores, loaded, chosen, run_seed).assign(**labels))
            agreement += [labels | row for row in _agreement(scores, loaded, chosen)]
            if seed == 0:
                pictures |= boundaries.collect(
                    model, variant, references, name, arrays, scores, loaded, chosen, run_seed
                )
    _write(pd.concat(table, ignore_index=True)[list(COLUMNS)], output_parquet)
    _write(pd.DataFrame(agreement, columns=list(AGREEMENT_COLUMNS)), output_stability)
    with replacing(output_boundaries) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **pictures)  # type: ignore[arg-type]


COLUMNS = (
    "dataset", "variant", "references", "model_seed", "criterion", "samples_per_class", "repetition", "rate", "removed",
    "evaluated_on", "noise_sigma", "accuracy", "accuracy_unpruned",
)  # fmt: skip
AGREEMENT_COLUMNS = (
    "dataset", "variant", "references", "model_seed", "samples_per_class", "criterion", "other", "measure", "k",
    "mean", "std", "pairs",
)  # fmt: skip


def _models(settings: Settings) -> list[tuple[str, int]]:
    return [(variant, seed) for variant in settings.variants for seed in range(settings.model_seeds)]


def _read_dataset(folder: Path) -> tuple[str, dict[str, np.ndarray]]:
    """Name and arrays of the dataset in `folder`."""
    name = str(read_json(folder / "dataset.json").get("name"))
    if name not in points.CLASSES:
        raise SecateurError(f"{folder}: dataset {name!r} is not one of the 2-D study's: {', '.join(points.CLASSES)}.")
    try:
        return name, {key: np.load(folder / f"{key}.npy") for key in ARRAYS}
    except (OSError, ValueError) as error:
        raise SecateurError(f"{folder}: not a readable dataset ({error}). Remove it and run again.") from None


def _draw_counts(settings: Settings) -> dict[int, int]:
    """Samples per class → number of draws that are needed."""
    counts = dict.fromkeys(settings.samples_per_class, settings.repetitions)
    if settings.rates:
        counts[settings.curve_samples_per_class] = max(
            counts.get(settings.curve_samples_per_class, 0), settings.curve_repetitions
        )
    counts.setdefault(settings.boundary_samples_per_class, 1)
    return dict(sorted(counts.items()))


def _pools(
    name: str, references: str, arrays: dict[str, np.ndarray], settings: Settings, run_seed: int
) -> Iterator[draws.Pool]:
    if references == "generated":
        yield from draws.generated(name, _draw_counts(settings), run_seed)
    else:
        yield draws.from_training(
            name, arrays["train_inputs"], arrays["train_labels"], _draw_counts(settings), run_seed
        )


def _evaluation_sets(
    name: str, arrays: dict[str, np.ndarray], sigmas: Sequence[float], run_seed: int
) -> list[tuple[str, float, Tensor, Tensor]]:
    """(evaluated_on, noise_sigma, inputs, labels): the training set, then the unseen samples with each extra noise."""
    train = torch.from_numpy(arrays["train_inputs"]), torch.from_numpy(arrays["train_labels"])
    unseen_labels = torch.from_numpy(arrays["test_labels"])
    found = [("train", 0.0, *train)]
    for sigma in sigmas:
        generator = np.random.default_rng(derive(run_seed, "toy", name, "noise", repr(float(sigma))))
        noisy = arrays["test_inputs"] + sigma * generator.standard_normal(arrays["test_inputs"].shape)
        found.append(("unseen", float(sigma), torch.from_numpy(noisy.astype(np.float32)), unseen_labels))
    return found


def _measure(
    model: nn.Sequential,
    name: str,
    arrays: dict[str, np.ndarray],
    scores: Scores,
    criteria: Sequence[Criterion],
    settings: Settings,
    run_seed: int,
) -> pd.DataFrame:
    """Accuracies of all pruned networks of one model: the main table, and the curves over rates."""
    sets = _evaluation_sets(name, arrays, settings.noise_sigmas, run_seed)
    main = prepare(layers_of(model), [(inputs, labels) for _, _, inputs, labels in sets])
    # The curves are looked at on the training set and on unseen samples as they are; further noise would only cost time.
    plain = [entry for entry in sets if entry[1] == 0]
    short = prepare(layers_of(model), [(inputs, labels) for _, _, inputs, labels in plain])
    jobs: list[tuple[Prepared, list, dict[bytes, list[float]], int, int, int]] = []
    known: dict[bytes, list[float]] = {}
    for samples in settings.samples_per_class:
        jobs.append((main, sets, known, samples, settings.repetitions, settings.removed))
    known = {}
    for rate in settings.rates:
        removed = int(np.floor(rate * settings.units + 0.5))
        jobs.append((short, plain, known, settings.curve_samples_per_class, settings.curve_repetitions, removed))
    tables = []
    for prepared, where, done, samples, repetitions, removed in jobs:
        unpruned = accuracies(prepared, [torch.zeros(settings.units, dtype=torch.bool)], done)[0]
        for criterion in criteria:
            stacked = np.stack([scores[criterion.name, samples, repetition] for repetition in range(repetitions)])
            found = np.array(accuracies(prepared, removals(stacked, removed), done))
            for column, (evaluated_on, sigma, _, _) in enumerate(where):
                tables.append(
                    pd.DataFrame(
                        {
                            "criterion": criterion.name,
                            "samples_per_class": samples,
                            "repetition": np.arange(repetitions),
                            "rate": removed / settings.units,
                            "removed": removed,
                            "evaluated_on": evaluated_on,
                            "noise_sigma": sigma,
                            "accuracy": found[:, column],
                            "accuracy_unpruned": unpruned[column],
                        }
                    )
                )
    keys = ["criterion", "samples_per_class", "repetition", "removed", "evaluated_on", "noise_sigma"]
    # A rate of the curves may be that of the main table: such rows are measured twice and kept once.
    return pd.concat(tables, ignore_index=True).drop_duplicates(keys, ignore_index=True)


def _agreement(scores: Scores, criteria: Sequence[Criterion], settings: Settings) -> Iterator[Row]:
    """Stability rows of one model: each criterion between repetitions, then each pair of criteria."""
    for samples in settings.samples_per_class:
        stacked = [
            np.stack([scores[criterion.name, samples, repetition] for repetition in range(settings.repetitions)])
            for criterion in criteria
        ]
        for index, criterion in enumerate(criteria):
            key = {"samples_per_class": samples, "criterion": criterion.name}
            rows = stability.between_repetitions(stacked[index], settings.overlap_sizes)
            yield from (key | {"other": criterion.name} | row for row in rows)
            for further in range(index + 1, len(criteria)):
                rows = stability.between_criteria(stacked[index], stacked[further], settings.overlap_sizes)
                yield from (key | {"other": criteria[further].name} | row for row in rows)


def _write(table: pd.DataFrame, path: str | Path) -> None:
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)
