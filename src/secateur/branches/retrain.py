"""The prune-retrain branch: rank, remove a step, fine-tune, evaluate; again until the last rate.

Every round ranks the network of that round, unless the criterion's entry says `ranking: once`. A killed job goes on
after its last finished round.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur import seeds as streams
from secateur import tensorfile
from secateur.branches.ranking import entry_of, options_of, rank_as_configured
from secateur.branches.study import Study, write_curve
from secateur.errors import SecateurError
from secateur.files import md5
from secateur.models import training
from secateur.models.checkpoint import fingerprint
from secateur.models.transfer import parts
from secateur.progress import track
from secateur.pruning.removal import Kept, all_channels, remaining, remove, removed_units, shrink
from secateur.pruning.selection import select
from secateur.pruning.units import UnitGroup
from secateur.ranking import registry

Rows = list[dict[str, Any]]


@dataclass
class Round:
    """Where one network's pruning stands: the network, its units, what is left of the original, and its rows so far."""

    number: int
    model: nn.Module
    groups: list[UnitGroup]
    kept: Kept
    rows: Rows


def retrain(
    study: Study,
    criterion: str,
    seeds: Sequence[int],
    samples: Path,
    state: Path,
    output: Path,
    tuned: Path | None = None,
) -> None:
    """Prune and fine-tune the study's models step by step and write their curves.

    The fine-tuning's budget, its images and their order depend on study, seed and round only: they are the same for
    every criterion. It trains on what the transfer trained on and ends with its last epoch: no split chooses.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage.
        state: folder for finished rounds; emptied when the curves are written.
        output: written: one row a seed, sample count and round, round 0 being the unpruned network.
        tuned: options chosen by the tuning stage, where the criterion has any: on the unpruned network, for all rounds.
    """
    settings = study.config["retrain"]
    rows: Rows = []
    fingerprint = _fingerprint(study, criterion, samples, tuned)
    last = len(settings["rates"])
    steps = [
        (seed, str(samples_per_class), number, rate)
        for seed in seeds
        for samples_per_class in settings["samples_per_class"]
        for number, rate in enumerate(settings["rates"], 1)
    ]
    for seed, samples_per_class, number, rate in track(steps, len(steps), f"retrain {study.name} {criterion}"):
        saved = State(state, f"{seed}-{samples_per_class}", fingerprint)
        if number == 1:
            current = saved.load(study, seed) or _start(study, seed, samples_per_class)
        if number > current.number:
            current = _step(study, criterion, current, number, rate, seed, samples_per_class, samples, tuned)
            saved.save(current)
        if number == last:
            rows += current.rows
    write_curve(output, study, "retrain", criterion, rows)
    for path in state.glob("*"):
        path.unlink()


def _start(study: Study, seed: int, samples_per_class: str) -> Round:
    model = study.model(seed)
    groups = study.groups
    key = {"seed": seed, "samples_per_class": samples_per_class, "round": 0, "rate": 0.0}
    counted = {"units_total": sum(group.size for group in groups), "units_removed": 0}
    return Round(0, model, groups, all_channels(model), [key | counted | study.measure(model)])


def _step(
    study: Study,
    criterion: str,
    before: Round,
    number: int,
    rate: float,
    seed: int,
    samples_per_class: str,
    samples: Path,
    tuned: Path | None = None,
) -> Round:
    """One round: rank the current network, remove down to `rate` of the original units, fine-tune, evaluate."""
    total = before.rows[0]["units_total"]
    options = options_of(tuned, seed)
    if entry_of(study, criterion)["ranking"] == "once":  # the unpruned network's scores of the units that are left
        case = ("retrain", seed, samples_per_class, 1)
        first = rank_as_configured(study, criterion, study.model(seed), study.groups, samples, case, options)
        scores = {group.name: first[group.name][group.original] for group in before.groups}
    else:
        case = ("retrain", seed, samples_per_class, number)
        scores = rank_as_configured(study, criterion, before.model, before.groups, samples, case, options)
    share = _share_of_what_is_left(study.config["budget"], before, rate)
    selection = select(before.groups, scores, share, model=before.model, **study.selecting)
    model = remove(before.model, before.groups, selection)
    groups = shrink(before.groups, selection)
    order = streams.derive(study.config["run_seed"], "finetune", study.name, seed, number)
    trained_on, _ = parts(study.config, study.name, study.dataset.train_labels, seed)
    images, labels = study.train_inputs.subset(trained_on), study.train_labels[torch.from_numpy(trained_on)]
    training.train(model, images, labels, study.config["retrain"]["finetune"], order)
    key = {"seed": seed, "samples_per_class": samples_per_class, "round": number, "rate": rate}
    counted = {"units_total": total, "units_removed": total - sum(group.size for group in groups)}
    row = key | counted | study.measure(model)
    return Round(number, model, groups, remaining(before.kept, before.groups, selection), [*before.rows, row])


def _share_of_what_is_left(budget: str, before: Round, rate: float) -> float:
    """A rate counts the original units, params or MACs; the same cut as a share of what the round starts from."""
    first, last = before.rows[0], before.rows[-1]
    if budget == "units":
        total, left = first["units_total"], sum(group.size for group in before.groups)
        return (
            max(0, int(rate * total + 0.5) - (total - left)) / left
        )  # whole units, so that nothing is lost in rounding
    return max(0.0, 1 - (1 - rate) * first[budget] / last[budget])


@dataclass(frozen=True)
class State:
    """The last finished round of one curve on disk: one file, which holds the network and all that is known of it."""

    folder: Path
    name: str
    fingerprint: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.safetensors"

    def save(self, round_: Round) -> None:
        """Write a finished round in place of the one before it."""
        about = {"fingerprint": self.fingerprint, "number": round_.number, "kept": round_.kept, "rows": round_.rows}
        tensorfile.write(self.path, round_.model.state_dict(), about)

    def load(self, study: Study, seed: int) -> Round | None:
        """The last finished round, or None where there is none or it belongs to other inputs, settings or sources.

        A damaged file is named on standard error, and its rounds are done again.
        """
        if not self.path.exists():
            return None
        try:
            weights, about = tensorfile.read(self.path, "finished round")
        except SecateurError as error:
            print(f"{error} Its rounds are done again now.", file=sys.stderr)
            return None
        if about["fingerprint"] != self.fingerprint:
            return None
        original = study.model(seed)
        groups = study.groups
        selection = removed_units(groups, about["kept"])
        model = remove(original, groups, selection)
        model.load_state_dict(weights)
        return Round(about["number"], model.eval(), shrink(groups, selection), about["kept"], about["rows"])


def _fingerprint(study: Study, criterion: str, samples: Path, tuned: Path | None) -> str:
    """Hash of all that a round depends on: the config, the models, the reference samples and Secateur's own sources."""
    depends_on = [json.dumps(study.config, sort_keys=True), study.name, criterion, md5(study.models), md5(samples)]
    depends_on.append(md5(registry.path_of(entry_of(study, criterion)["criterion"], study.config["criteria_path"])))
    depends_on += [md5(tuned)] if tuned is not None else []
    return fingerprint(depends_on, study.config["criteria_path"])
