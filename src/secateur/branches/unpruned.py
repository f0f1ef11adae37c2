"""The unpruned networks, measured once a seed: they are the same for every criterion and in both branches."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from secateur import tablefile
from secateur.branches.study import Study
from secateur.progress import track


def unpruned(study: Study, seeds: Sequence[int], output: Path) -> None:
    """Measure the study's task models as they are.

    Args:
        study: whose models.
        seeds: the seeds of this job.
        output: written: one row a seed, the measured columns of the curves.
    """
    found = [
        {"seed": seed} | study.of(seed).measure_trained(study.model(seed), seed)
        for seed in track(seeds, len(seeds), f"unpruned {study.name}")
    ]
    tablefile.write(output, pd.DataFrame(found))
