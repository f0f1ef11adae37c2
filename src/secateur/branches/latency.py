"""The latency stage: how fast and how small the pruned networks of the few-shot branch really are, on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.branches.study import Study
from secateur.models import profiling
from secateur.progress import track
from secateur.pruning.counting import count
from secateur.pruning.removal import sweep
from secateur.ranking import scorefile


def latency(study: Study, seed: int, rankings: Mapping[str, Path], output: Path) -> None:
    """Time the networks that each criterion's ranking leaves at the rates of the config, and write the latency table.

    The unpruned network is timed again before each criterion's networks, so that a speed-up compares neighbours in
    time. Of the few-shot branch's rankings those on the last of `fewshot.samples_per_class` are used.

    Args:
        study: what to prune; `latency` in its config gives rates, batch sizes and the number of runs.
        seed: whose task model.
        rankings: criterion → its score file.
        output: written: one row a criterion, rate (0: unpruned) and batch size.
    """
    settings = study.config["latency"]
    samples_per_class = str(study.config["fewshot"]["samples_per_class"][-1])
    input_size, batches = tuple(study.example.shape[1:]), tuple(settings["batches"])
    sizes = {group.name: group.size for group in study.groups}
    rows: list[dict[str, Any]] = []
    for criterion, path in track(rankings.items(), len(rankings), f"latency {study.name}"):
        scores = scorefile.read(path, seed, samples_per_class, sizes)
        model = study.model(seed)
        steps = sweep(model, study.groups, scores, settings["rates"], study.selecting)
        whole: list[profiling.Latency] = []
        for rate, network in [(0.0, model), *((step.rate, step.model) for step in steps)]:
            taken = profiling.latency(network, input_size, batches=batches, repeats=settings["repeats"])
            whole = whole or taken
            counts, stored = count(network, input_size), profiling.disk_bytes(network)
            rows += [
                {
                    "study": study.name,
                    "criterion": criterion,
                    "seed": seed,
                    "samples_per_class": samples_per_class,
                    "rate": rate,
                    "batch": one.batch,
                    "seconds": one.median,
                    "seconds_lower": one.lower,
                    "seconds_upper": one.upper,
                    "runs": one.runs,
                    "speed_up": before.median / one.median,
                    "params": counts.params,
                    "macs": counts.macs,
                    "disk_bytes": stored,
                    "device": one.device,
                    "input_size": "x".join(map(str, input_size)),
                }
                for one, before in zip(taken, whole, strict=True)
            ]
    table = pd.DataFrame(rows)
    unpruned = table[table["rate"] == 0].groupby(["criterion", "batch"])[["params", "macs", "disk_bytes"]].first()
    start = table[["criterion", "batch"]].join(unpruned, on=["criterion", "batch"])
    for column in ("params", "macs", "disk_bytes"):
        table[f"{column.removesuffix('_bytes')}_share"] = table[column] / start[column]
    tablefile.write(output, table)
