"""The tuning stage: a criterion's options, chosen on further training images that the other criteria do not see.

For each seed the unpruned network is ranked with many options, pruned at some rates and measured on validation images,
labelled images of the training split that are none of that seed's reference samples. Test images are never looked at.
What the search has seen and how often is written beside what it chose. After Hatefi et al., Pruning by explaining
revisited (ECCV workshops 2024), who optimise LRP's composite for pruning.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from secateur import seeds as streams
from secateur import tablefile
from secateur.branches.ranking import entry_of, rank_as_configured
from secateur.branches.study import Study
from secateur.data import references
from secateur.models.evaluation import evaluate
from secateur.progress import track
from secateur.pruning.removal import sweep
from secateur.varying import draw_of


def tune(study: Study, criterion: str, seeds: Sequence[int], samples: Path, output: Path) -> None:
    """Choose the options of the config's entry `criterion` for each seed, and write them as a table.

    Args:
        study: what to prune. The entry's `tune` says how many `trials`, how many validation `images_per_class`, at
            which `rates`, and what each option is chosen from.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage; rankings use the last of `fewshot.samples_per_class`.
        output: written: one row a seed, columns `study criterion seed options validation_accuracy trials evaluations
            images`; `options` is JSON.
    """
    rows = [
        {"study": study.name, "criterion": criterion, "seed": seed} | search(study, criterion, seed, samples)
        for seed in track(seeds, len(seeds), f"tune {study.name} {criterion}")
    ]
    tablefile.write(output, pd.DataFrame(rows))


def search(study: Study, criterion: str, seed: int, samples: Path) -> dict[str, Any]:
    """The best options for one seed by a tree-structured Parzen estimator, and what it took: the columns of a row.

    A setting that comes up again is not measured again; `trials` counts the different ones.
    """
    settings, study = entry_of(study, criterion)["tune"], study.of(seed)
    model, groups = study.model(seed), study.groups
    case = ("fewshot", seed, str(study.config["fewshot"]["samples_per_class"][-1]))
    index = validation_images(study, seed, samples, settings["images_per_class"])
    images, labels = study.train_inputs.subset(index), study.train_labels[index]
    measured: dict[str, float] = {}
    classes = len(study.dataset.classes)

    def accuracy(trial: optuna.Trial) -> float:
        options = _suggested(trial, settings["options"])
        key = json.dumps(options, sort_keys=True)
        if key not in measured:
            scores = rank_as_configured(study, criterion, model, groups, samples, case, options)
            steps = sweep(model, groups, scores, settings["rates"], study.selecting)
            accuracies = [evaluate(step.model, images, labels, classes, pairs=study.folded).accuracy for step in steps]
            measured[key] = float(np.mean(accuracies))
        return measured[key]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw = draw_of(study.config, "references", seed)
    stream = streams.derive(study.config["run_seed"], "tune", study.name, criterion, draw)
    sampler = optuna.samplers.TPESampler(seed=stream % 2**32)
    optuna.create_study(direction="maximize", sampler=sampler).optimize(accuracy, n_trials=settings["trials"])
    best = max(measured, key=lambda key: measured[key])
    return {
        "options": best,
        "validation_accuracy": measured[best],
        "trials": len(measured),
        "evaluations": len(measured) * len(settings["rates"]),
        "images": len(index),
    }


def validation_images(study: Study, seed: int, samples: Path, images_per_class: int) -> np.ndarray:
    """Positions in the training split of `images_per_class` of each class, none of them a reference sample of the seed.

    Raises SecateurError where a class has too few left.
    """
    drawn = pd.read_csv(samples)
    taken = drawn.loc[drawn["seed"] == seed, "index"].to_numpy()
    labels = np.array(study.dataset.train_labels)
    free = np.setdiff1d(np.arange(len(labels)), taken)
    draw = draw_of(study.config, "references", seed)
    stream = streams.derive(study.config["run_seed"], "tuning", study.name, draw)
    return free[references.chosen(labels[free], images_per_class, stream)]


def _suggested(trial: optuna.Trial, choices: dict[str, list[Any]]) -> dict[str, Any]:
    """Options of one trial; a dotted name, as rule.first, is a key of a mapping."""
    options: dict[str, Any] = {}
    for name, allowed in choices.items():
        *outer, last = name.split(".")
        place = options
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = allowed[trial.suggest_categorical(name, list(range(len(allowed))))]
    return options
