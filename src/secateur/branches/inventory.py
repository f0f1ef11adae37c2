"""The units stage: what of a study's network can be removed, found once and read by every later job."""

from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.branches.study import scope_of
from secateur.data import store
from secateur.models.backbones import fresh
from secateur.models.transfer import example_input
from secateur.pruning import unitfile
from secateur.pruning.units import analyse, outside, required


def units(config: dict[str, Any], study: str, data: Path, output: Path, table: Path) -> None:
    """Trace a study's network and write its unit groups and a table of its layers.

    Args:
        config: the run's resolved config.
        study: name of the study; of its network the architecture counts, not the weights.
        data: its dataset, prepared for the backbone.
        output: written: the unit groups of the scope "all", see `pruning.unitfile`.
        table: written: one row a convolution or linear layer, in the order of execution: `study layer group kind units
            residual gate left_out`. `units` are its output channels that can be removed, and `left_out` says why the
            others, or all, stay (empty where none do). A group that ties several layers has a row for each of them.
    """
    dataset = store.load(data)
    network = fresh(config, config["studies"][study]["backbone"], dataset)
    example = example_input(config, study, dataset)
    scope = scope_of(config, study)
    structure = analyse(network.to(example.device).eval(), example, scope)
    required(structure, scope, f"study {study!r}: {type(network).__name__}")
    rows = []
    for layer in structure.order:
        groups = [group for group in structure.groups if any(name == layer for name, _ in group.producers)]
        rows += [
            {
                "layer": layer,
                "group": group.name,
                "kind": group.kind,
                "units": group.size,
                "residual": group.residual,
                "gate": group.gate,
                "left_out": outside(group, scope),
            }
            for group in groups
        ]
        if not groups:
            none = {"group": "", "kind": "", "units": 0, "residual": False, "gate": False}
            rows.append({"layer": layer} | none | {"left_out": structure.left_out[layer]})
    unitfile.write(output, structure.groups)
    tablefile.write(table, pd.DataFrame(rows).assign(study=study))
