"""The unpruned networks, measured once a seed: they are the same for every criterion and in both branches."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from secateur import tablefile
from secateur.branches import measurements
from secateur.branches.study import Study
from secateur.progress import track


def unpruned(study: Study, seeds: Sequence[int], output: Path) -> None:
    """Measure the study's task models as they are.

    Args:
        study: whose models.
        seeds: the seeds of this job.
        output: written: one row a seed, the measured columns of the curves.
    """
    rows = []
    for seed in track(seeds, len(seeds), f"unpruned {study.name}"):
        here = study.of(seed)
        rows.append({"seed": seed} | measurements.measure_trained(here, here.model(seed), *here.mixed(seed)))
    tablefile.write(output, pd.DataFrame(rows))
