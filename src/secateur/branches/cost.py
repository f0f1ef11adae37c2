"""The cost stage: time and memory of each criterion and remedy beside a forward and a gradient pass in one process.

What is timed is the ranking itself. Before it a network is traced and folded once (`Network`); that is done for every
criterion alike, a third of the time on small networks, and has a column of its own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from secateur import tablefile
from secateur.branches.study import Study
from secateur.models import devices, memory_format, profiling
from secateur.progress import track
from secateur.pruning.removal import remove
from secateur.pruning.units import layers_of
from secateur.ranking import registry
from secateur.ranking.network import Network
from secateur.repair import NONE, tried
from secateur.repair import registry as repairs
from secateur.repair.view import Whole

LONG = 60.0
"""Seconds of ranking, in all repeats together, after which a criterion is not timed again."""


def cost(study: Study, seed: int, output: Path) -> None:
    """Time every criterion of the config on the study's unpruned network and write the cost table.

    In each repeat a forward pass, a gradient pass (the reference: forward and gradients at the output of every layer
    that has units, no weight gradients) and all criteria run one after the other, each on a view of the network of its
    own that is built before its time begins, so that a ratio compares neighbours in time and work with like work. Peak
    memory is measured once, in a run of its own. A criterion whose repeats have taken `LONG` has no further ones.

    Args:
        study: its network, `cost.samples` of its training images (or all, if there are fewer).
        seed: whose task model.
        output: written: one row per criterion and repeat that it was timed in, and one per remedy of the config (but
            `none`) and repeat, without criterion: of the repair of a network that has lost half of every group's units.
    """
    settings, study = study.config["cost"], study.of(seed)
    model = study.model(seed)
    groups = study.groups
    layers = layers_of(groups)
    order = torch.randperm(len(study.train_inputs), generator=torch.Generator().manual_seed(0))[: settings["samples"]]
    images = memory_format.laid_out(study.train_inputs[order], memory_format.of(model))
    labels = study.train_labels[order]
    on = images.device

    def forward() -> None:
        with torch.no_grad():
            for batch in images.split(study.config["batch_size"]):
                model(batch)

    def network() -> Network:
        return Network(model, layers, images, labels, batch_size=study.config["batch_size"], groups=groups)

    def gradient(view: Network) -> None:
        for _ in view.gradients():
            pass

    def scoring(entry: dict[str, Any]) -> Callable[[Network], Any]:
        criterion = registry.load(entry["criterion"], study.config["criteria_path"])
        options = registry.with_options(criterion, entry["options"])
        return lambda view: criterion.score(view, **options)

    def seconds_of(work: Callable[[Network], Any]) -> float:
        view = network()
        return profiling.seconds(lambda: work(view), on)

    def peak_of(work: Callable[[Network], Any]) -> int:
        view = network()
        return profiling.peak_bytes(lambda: work(view), on)

    # A Snakemake rule is not timed: what it costs is mostly the start of another program.
    entries = registry.in_process(study.config["criteria"], study.config["criteria_path"])
    criteria = {entry["name"]: scoring(entry) for entry in entries}
    peaks = {name: peak_of(work) for name, work in criteria.items()}
    gradient_peak = peak_of(gradient)
    remedies = _remedies(study, model, images)
    repair_peaks = {name: profiling.peak_bytes(work, on) for name, work in remedies.items()}
    about = {
        "study": study.name,
        "device": devices.of(on).name(),
        "samples": len(images),
        "input_size": "x".join(map(str, images.shape[1:])),
        "gradient_peak_bytes": gradient_peak,
    }
    rows, spent = [], dict.fromkeys(criteria, 0.0)
    for repeat in track(range(settings["repeats"]), settings["repeats"], f"cost {study.name}"):
        forward_seconds, gradient_seconds = profiling.seconds(forward, on), seconds_of(gradient)
        beside = about | {
            "repeat": repeat,
            "forward_seconds": forward_seconds,
            "gradient_seconds": gradient_seconds,
            "view_seconds": profiling.seconds(network, on),
        }
        short = {name: seconds_of(work) for name, work in criteria.items() if spent[name] < LONG}
        spent |= {name: spent[name] + seconds for name, seconds in short.items()}
        timed = [(name, NONE, seconds, peaks[name]) for name, seconds in short.items()]
        timed += [("", name, profiling.seconds(work, on), repair_peaks[name]) for name, work in remedies.items()]
        rows += [
            beside
            | {
                "criterion": criterion,
                "remedy": remedy,
                "seconds": seconds,
                "ratio_to_gradient": seconds / gradient_seconds,
                "peak_bytes": peak,
            }
            for criterion, remedy, seconds, peak in timed
        ]
    tablefile.write(output, pd.DataFrame(rows))


def _remedies(study: Study, model: nn.Module, images: Tensor) -> dict[str, Callable[[], Any]]:
    """Remedy of the config → what repairs a network that has lost half of every group's units, on these images."""
    groups = study.groups
    selection = {group.name: list(range(group.size // 2)) for group in groups}
    pruned = remove(model, groups, selection)

    def repairing(remedy: repairs.Remedy) -> Callable[[], Any]:
        return lambda: repairs.repaired(remedy, Whole(model, images), pruned, groups, selection)

    return {name: repairing(repairs.load(name)) for name in tried(study.config, study.name)}
