"""What pruned networks are held to: the unpruned one trained further as they are, without losing anything."""

from collections.abc import Sequence
from pathlib import Path

from secateur.branches.curvefile import write_curve
from secateur.branches.rounds import Round, State, fingerprint_of, further_trained, start
from secateur.branches.shared import Shared
from secateur.branches.study import Study
from secateur.progress import track

UNPRUNED = "unpruned"
"""In the column `control` of the curves."""


def retrain_unpruned(study: Study, seeds: Sequence[int], state: Path, output: Path) -> None:
    """Train the study's task models as its pruned networks are, round by round, without removing anything.

    Whether a pruned network kept its accuracy is judged against this one: further training alone changes it.

    Args:
        study: whose models.
        seeds: the seeds of this job.
        state: folder for finished rounds, from which a killed job goes on; emptied when the curves are written.
        output: written: one row a seed and round of curves with `control` "unpruned", without criterion and reference
            samples; `rate` is that of the pruned networks of that round.
    """
    settings = study.config["retrain"]
    rows, last = [], len(settings["rates"])
    fingerprint = fingerprint_of(study)
    shared = Shared(study.shared, "retrain_unpruned", fingerprint, study.example.device)
    steps = [(seed, number, rate) for seed in seeds for number, rate in enumerate(settings["rates"], 1)]
    for seed, number, rate in track(steps, len(steps), f"unpruned {study.name}, trained further"):
        saved = State(state, str(seed), fingerprint)
        if number == 1:
            here = study.of(seed)
            current = saved.load(here, seed) or start(here, seed, "")
        if number > current.number:
            key = {"seed": seed, "samples_per_class": "", "round": number, "rate": rate}
            counted = {"units_total": current.rows[0]["units_total"], "units_removed": 0}
            measured = further_trained(here, current.model, seed, number, settings["batch_norm"], shared)
            rounds = [*current.rows, key | counted | measured]
            current = Round(number, current.model, current.groups, current.kept, rounds)
            saved.save(current)
        if number == last:
            rows += current.rows
    write_curve(output, study, "retrain", "", rows, UNPRUNED)
    for path in state.glob("*"):
        path.unlink()
