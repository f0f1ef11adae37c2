"""Where a run's measurements lie: the files that its branches must have written before they are analysed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from secateur.config import is_rule, parts
from secateur.data.references import ALL
from secateur.repair import tried
from secateur.varying import blocks


def measurements(config: dict[str, Any]) -> dict[str, list[Path]]:
    """Table name → its files, relative to results/<run>/, in a fixed order.

    `curves` (of the branches that are run) and `profiles` have a file for every study, criterion and part, `curves`
    also those of the further networks of `variance.draws`, of the controls that `retrain.controls` and of the remedies
    that a study tries and of the other choices of `decompose`, and so have `grid` where the config has
    `fewshot.grid` and `tuning` for the criteria that are tuned; `units`, `cost` and `latency` have one
    for every study, `toy` and `toy_stability` one for every 2-D set.
    """
    jobs, varied = ([f"{job}.parquet" for job in _jobs(config, of)] for of in (parts(config), blocks(config)))
    tuned = [item["name"] for item in config["criteria"] if "tune" in item]
    points = config.get("toy", {}).get("datasets", [])
    controls = config["retrain"]["controls"] if config["retrain"]["run"] else {"unpruned": False, "scratch": False}
    branches = ("fewshot", "retrain") if config["retrain"]["run"] else ("fewshot",)
    curves = [Path("curves", branch, job) for branch in branches for job in [*jobs, *varied]]
    if controls["unpruned"]:
        curves += [Path("curves", "unpruned", study, f"{part}.parquet") for study in config["studies"]
                   for part in parts(config)]  # fmt: skip
    curves += [Path("curves", "repaired", job) for job in jobs if tried(config, job.split("/")[0])]
    if "decompose" in config:
        curves += [Path("curves", "decomposed", job) for job in jobs]
    if controls["scratch"]:
        curves += [Path("curves", "scratch", job) for job in jobs]
    return {
        "curves": curves,
        "profiles": [Path("profiles", job) for job in jobs],
        "grid": [Path("grid", job) for job in jobs] if "grid" in config["fewshot"] else [],
        "units": [Path("units", f"{study}.parquet") for study in config["studies"]],
        "tuning": [Path("tuning", job) for job in jobs if job.split("/")[1] in tuned],
        "cost": [Path("cost", f"{study}.parquet") for study in config["studies"]],
        "latency": [Path("latency", f"{study}.parquet") for study in config["studies"]],
        "toy": [Path("toy", f"{name}.parquet") for name in points],
        "toy_stability": [Path("toy", f"{name}.stability.parquet") for name in points],
    }


def prepared(dataset: str, backbone: dict[str, Any]) -> Path:
    """Folder of a dataset's images as they are prepared for a backbone: shared by all runs.

    `backbone` is an entry of the resolved config. Its name says all that the transform is made from.
    """
    view = f"{backbone['architecture']}-{backbone['size']}px-{backbone['colour']}"
    return Path("data", "prepared", dataset, view)


def rankings(config: dict[str, Any]) -> list[Path]:
    """Score files of every study, criterion and part, relative to results/<run>/."""
    return [Path("rankings", f"{job}.safetensors") for job in _jobs(config, parts(config))]


def redraws(config: dict[str, Any]) -> list[Path]:
    """Score files of every study and criterion on other draws of reference samples, relative to results/<run>/.

    None where there are fewer than two draws, where only the whole training split is looked at, or for a criterion
    that is a Snakemake rule or tuned (a case or a search of its own for each would be as much work as the study).
    """
    counts = [n for n in config["fewshot"]["samples_per_class"] if n != ALL]
    if config["agreement"]["draws"] < 2 or not counts:
        return []
    return [
        Path("redraws", study, f"{item['name']}.safetensors")
        for study in config["studies"]
        for item in config["criteria"]
        if not is_rule(config, item) and "tune" not in item
    ]


def galleries(config: dict[str, Any]) -> list[Path]:
    """Archives of pictures, one a study, relative to results/<run>/."""
    return [Path("gallery", f"{study}.npz") for study in config["studies"]]


def _jobs(config: dict[str, Any], of: Iterable[str]) -> list[str]:
    names = [f"{study}/{item['name']}" for study in config["studies"] for item in config["criteria"]]
    return [f"{name}/{part}" for name in names for part in of]
