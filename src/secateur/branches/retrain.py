"""The prune-retrain branch: rank, remove a step, fine-tune, evaluate; again until the last rate.

Every round ranks the network of that round, unless the criterion's entry says `ranking: once`. A killed job goes on
after its last finished round.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from secateur.branches.curvefile import write_curve
from secateur.branches.ranking import entry_of, options_of, rank_as_configured
from secateur.branches.rounds import Round, Rows, State, fingerprint_of, further_trained, start, write_shapes
from secateur.branches.shared import Shared
from secateur.branches.study import Study
from secateur.files import md5
from secateur.progress import track
from secateur.pruning.removal import remaining, remove, shrink
from secateur.pruning.selection import select
from secateur.ranking import registry

Ranked = dict[tuple[str, int, str, int], dict[str, Tensor]]
"""Case of a ranking → group → each unit's score."""


def retrain(
    study: Study,
    criterion: str,
    seeds: Sequence[int],
    samples: Path,
    state: Path,
    output: Path,
    tuned: Path | None = None,
    shapes: Path | None = None,
) -> None:
    """Prune and fine-tune the study's models step by step and write their curves.

    Args:
        study: what to prune.
        criterion: name in the config.
        seeds: the seeds of this job.
        samples: reference samples, CSV of the transfer stage.
        state: folder for finished rounds; emptied when the curves are written.
        output: written: one row a seed, sample count and round, round 0 being the unpruned network.
        tuned: options chosen by the tuning stage, where the criterion has any: on the unpruned network, for all rounds.
        shapes: written, where given: how many units of each group every round has removed.
    """
    settings = study.config["retrain"]
    rows: Rows = []
    rule = registry.path_of(entry_of(study, criterion)["criterion"], study.config["criteria_path"])
    fingerprint = fingerprint_of(study, criterion, *map(md5, [samples, rule, *([tuned] if tuned else [])]))
    last = len(settings["rates"])
    steps = [
        (seed, str(samples_per_class), number, rate)
        for seed in seeds
        for samples_per_class in settings["samples_per_class"]
        for number, rate in enumerate(settings["rates"], 1)
    ]
    shared = Shared(study.shared, f"retrain-{criterion}", fingerprint_of(study), study.example.device)
    ranked: Ranked = {}
    for seed, samples_per_class, number, rate in track(steps, len(steps), f"retrain {study.name} {criterion}"):
        saved = State(state, f"{seed}-{samples_per_class}", fingerprint)
        if number == 1:
            here = study.of(seed)
            current = saved.load(here, seed) or start(here, seed, samples_per_class)
        if number > current.number:
            current = _step(here, criterion, current, rate, samples, tuned, shared, ranked)
            saved.save(current)
        if number == last:
            rows += current.rows
    if shapes is not None:
        write_shapes(shapes, rows)
    write_curve(output, study, "retrain", criterion, rows)
    for path in state.glob("*"):
        path.unlink()


def _step(
    study: Study,
    criterion: str,
    before: Round,
    rate: float,
    samples: Path,
    tuned: Path | None = None,
    shared: Shared | None = None,
    ranked: Ranked | None = None,
) -> Round:
    """The round after `before`: rank its network, remove down to `rate` of the original units, fine-tune, evaluate.

    `ranked`: what unpruned networks were ranked by in earlier rounds, for `ranking: once`; gains this one's.
    """
    first, number = before.rows[0], before.number + 1
    seed, samples_per_class, total = first["seed"], first["samples_per_class"], first["units_total"]
    entry, options = entry_of(study, criterion), options_of(tuned, seed)
    if entry["ranking"] == "once":  # the unpruned network's scores of the units that are left
        case, ranked = ("retrain", seed, samples_per_class, 1), {} if ranked is None else ranked
        if case not in ranked:
            ranked[case] = rank_as_configured(study, criterion, study.model(seed), study.groups, samples, case, options)
        scores = {group.name: ranked[case][group.name][group.original] for group in before.groups}
    else:
        case = ("retrain", seed, samples_per_class, number)
        scores = rank_as_configured(study, criterion, before.model, before.groups, samples, case, options)
    share = _share_of_what_is_left(study.config["budget"], before, rate)
    selection = select(before.groups, scores, share, study.selecting, before.model)
    model = remove(before.model, before.groups, selection)
    groups = shrink(before.groups, selection)
    batch_norm = entry.get("batch_norm", study.config["retrain"]["batch_norm"])
    measured = further_trained(study, model, seed, number, batch_norm, shared)
    key = {"seed": seed, "samples_per_class": samples_per_class, "round": number, "rate": rate}
    counted = {"units_total": total, "units_removed": total - sum(group.size for group in groups)}
    left = {group.name: group.size for group in groups}
    removed = {"removed_by_group": {group.name: group.size - left[group.name] for group in study.groups}}
    kept = remaining(before.kept, before.groups, selection)
    return Round(number, model, groups, kept, [*before.rows, key | counted | removed | measured])


def _share_of_what_is_left(budget: str, before: Round, rate: float) -> float:
    """A rate counts the original units, params or MACs; the same cut as a share of what the round starts from."""
    first, last = before.rows[0], before.rows[-1]
    if budget == "units":
        total, left = first["units_total"], sum(group.size for group in before.groups)
        return (
            max(0, int(rate * total + 0.5) - (total - left)) / left
        )  # whole units, so that nothing is lost in rounding
    return max(0.0, 1 - (1 - rate) * first[budget] / last[budget])
