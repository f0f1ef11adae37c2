"""A criterion of one's own run beside a published run: on its data, its networks, its samples and its seeds, by hash.

Only the new criterion is ranked and measured. Networks come from the published folder where it has them, else they are
made again; what is not the published run's to the bit is refused, for then a difference could be the network's.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.branches.again import DECOMPOSED, FEWSHOT, REPAIRED, RETRAIN, Again
from secateur.config import parts
from secateur.errors import SecateurError
from secateur.provenance import content_hash
from secateur.repair import tried

NETWORKS = ("backbones", "models", "samples")


def measure(published: Path, config: dict[str, Any], folder: Path, known: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Rank and measure the one criterion of `config` on the networks of a published run.

    Args:
        published: the published run.
        config: its resolved config, with the one criterion in place of its own.
        folder: where what is made goes; what a killed call left there is resumed.
        known: the run's `hashes`, kind → name → hash.

    Returns:
        The tables `curves` and `profiles` of the criterion.

    Raises:
        SecateurError: networks or samples are not the published run's, or what a stage raises.
    """
    for name in NETWORKS:
        if (published / name).is_dir():
            shutil.copytree(published / name, folder / name, dirs_exist_ok=True)
    again, name = Again(config, folder, known.get("data", {})), config["criteria"][0]["name"]
    curves, profiles = [], []
    for study in config["studies"]:
        for part, seeds in parts(config).items():
            again.study(study, seeds)
            _same(f"{study}/{part}", again.folder, known)
            curves += [again.curves(kind, study, name, seeds) for kind in kinds(config, study)]
            profiles.append(tablefile.read(folder / f"profiles/{study}/{name}/{part}.parquet"))
        if _drawn(config):
            again.redraws(study, name, next(iter(parts(config).values())))
    return {"curves": pd.concat(curves, ignore_index=True), "profiles": pd.concat(profiles, ignore_index=True)}


def kinds(config: dict[str, Any], study: str) -> list[str]:
    """The kinds of curves that the config asks for of a study."""
    asked = [FEWSHOT]
    asked += [RETRAIN] if config["retrain"]["run"] else []
    asked += [REPAIRED] if tried(config, study) else []
    return asked + ([DECOMPOSED] if "decompose" in config else [])


def same_start(mine: pd.DataFrame, theirs: pd.DataFrame, tolerance: float) -> None:
    """Raise a SecateurError where an unpruned network measures otherwise here than it was published.

    On another machine sums are rounded otherwise: the loss is within `tolerance` (relative) then, and an image or two
    that the network can hardly decide may change sides.
    """
    keys, measured = ["study", "seed"], ["loss", "accuracy", "params", "macs"]
    one, other = (
        table[(table["rate"] == 0) & (table["varied"] == "")].groupby(keys)[measured].first()
        for table in (mine, theirs)
    )
    other = other.loc[one.index]
    near = np.isclose(one, other, rtol=tolerance, atol=1e-3 * tolerance)
    images = 2 / theirs[theirs["rate"] == 0].groupby(keys)["test_samples"].first().loc[one.index]
    near[:, measured.index("accuracy")] |= (one["accuracy"] - other["accuracy"]).abs() <= images + 1e-9
    near = near.all(axis=1)
    if not near.all():
        study, seed = one.index[int((~near).argmax())]
        raise SecateurError(
            f"the unpruned network of {study}, seed {seed}, has the loss {one.loc[(study, seed), 'loss']:.6g} here and "
            f"{other.loc[(study, seed), 'loss']:.6g} in the published run: this machine measures otherwise, and "
            "differences between criteria would be the machine's. Join on a machine like the run's."
        )


def _drawn(config: dict[str, Any]) -> bool:
    """Whether criteria are ranked on other draws of reference samples."""
    return config["agreement"]["draws"] >= 2 and any(n != "all" for n in config["fewshot"]["samples_per_class"])


def _same(block: str, folder: Path, known: dict[str, Any]) -> None:
    """Raise a SecateurError where networks or reference samples of a block of seeds are others than the run's."""
    for kind, ending in (("samples", "csv"), ("models", "safetensors")):
        made, said = content_hash(folder / f"{kind}/{block}.{ending}"), known.get(kind, {}).get(block)
        if made != said:
            raise SecateurError(
                f"{kind} of {block}: made here they have the hash {made}, in the published run {said}: on another "
                "machine or version training gives other networks. Ask for the run published with its networks "
                "(`secateur publish --networks`), or join on a machine like the run's."
            )
