"""Where a run's measurements lie: the files that its branches must have written before they can be collected."""

from pathlib import Path
from typing import Any

from secateur.config import parts


def measurements(config: dict[str, Any]) -> dict[str, list[Path]]:
    """Table name → its files, relative to results/<run>/, in a fixed order.

    `curves` (both branches), `profiles` and `cost` have a file for every study, criterion and part (cost: every study);
    `toy` and `toy_stability` one for every 2-D set.
    """
    jobs = [
        f"{study}/{item['name']}/{part}.parquet"
        for study in config["studies"]
        for item in config["criteria"]
        for part in parts(config)
    ]
    points = config.get("toy", {}).get("datasets", [])
    return {
        "curves": [Path("curves", branch, job) for branch in ("fewshot", "retrain") for job in jobs],
        "profiles": [Path("profiles", job) for job in jobs],
        "cost": [Path("cost", f"{study}.parquet") for study in config["studies"]],
        "toy": [Path("toy", f"{name}.parquet") for name in points],
        "toy_stability": [Path("toy", f"{name}.stability.parquet") for name in points],
    }
