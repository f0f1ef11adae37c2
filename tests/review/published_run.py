"""A small published run whose numbers are drawn, complete and consistent, and the ways to forge it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

import synthetic
from secateur import __version__, provenance, tablefile
from secateur.analysis import statistics
from secateur.config import resolve
from secateur.files import write_json
from secateur.layout import prepared, rankings
from secateur.review import manifest
from secateur.review.publishing import publish

CRITERIA = {name: synthetic.CRITERIA[name] for name in ("lrp", "weight", "random")}
STUDY, SEEDS = "digits_vgg", 3
RATES = list(synthetic.RATES[1:])


def config() -> dict[str, Any]:
    """The resolved config that such a run would have."""
    branches = {"samples_per_class": [10], "rates": RATES}
    return resolve({
        "run": "synthetic", "seeds": SEEDS, "seeds_per_job": SEEDS, "device": "cpu", "criteria": list(CRITERIA),
        "backbones": {"vgg_small": {"architecture": "vgg_small", "size": 16, "weights": {"pretrain": "digits_source"}}},
        "studies": {STUDY: {"dataset": "digits_target", "backbone": "vgg_small"}},
        "fewshot": dict(branches), "retrain": dict(branches), "agreement": {"draws": 0},
    })  # fmt: skip


def make(folder: Path) -> Path:
    """A run in `folder`/results and the data that it names in `folder`/data, published to `folder`/published.

    To be called in `folder`, from which the data's path counts.
    """
    resolved, results = config(), folder / "results"
    curves = synthetic.curves(criteria=CRITERIA, studies=(STUDY,), seeds=SEEDS, samples=("10",)).assign(
        dataset="digits_target", backbone="vgg_small", control="", remedy="none", choice="own", shuffle=0, varied="",
        worst_class="5",
    )  # fmt: skip
    for share in ("params", "macs"):
        curves[f"{share}_share"] = curves[share] / curves[share].max()
    write_table(results, curves)
    for path in rankings(resolved):
        (results / path).parent.mkdir(parents=True, exist_ok=True)
    drawn = synthetic.rankings(folder / "drawn", CRITERIA, STUDY)
    for source, target in zip(sorted(drawn), sorted(rankings(resolved)), strict=True):
        shutil.copyfile(source, results / target)
    (results / "samples" / STUDY).mkdir(parents=True)
    (results / "samples" / STUDY / "0-2.csv").write_text("seed,label,position\n0,0,0\n0,1,0\n0,2,0\n")
    for name in (f"models/{STUDY}/0-2.safetensors", "backbones/vgg_small.safetensors"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(name.encode().ljust(64))
    for dataset in ("digits_source", "digits_target"):
        data = prepared(dataset, resolved["backbones"]["vgg_small"])
        data.mkdir(parents=True)
        (data / ".checksums.json").write_text(dataset)
    write_json(results / "config.json", resolved)
    hashed = hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:12]
    known = {"hardware": provenance.hardware(resolved), "versions": provenance.versions(), "config_hash": hashed}
    known |= {"commit": "abc", "hashes": provenance.hashes(resolved, results)}
    assert known["versions"]["secateur"] == __version__
    write_json(results / "provenance.json", known)
    (results / "report.html").write_text(f"<p>config hash {hashed}</p>")
    (results / "tables.tex").write_text("table")
    (results / "figures").mkdir()
    (results / "figures" / "curve.svg").write_text("<svg/>")
    restate(results, resolved)
    publish(results, folder / "published")
    return folder / "published"


def write_table(folder: Path, curves: pd.DataFrame) -> None:
    """Write the curves as the stage `collect` does, as parquet and CSV."""
    tablefile.write(folder / "tables" / "curves.parquet", curves)
    curves.to_csv(folder / "tables" / "curves.csv", index=False)


def curves(folder: Path) -> pd.DataFrame:
    """The table of curves as it is published."""
    return tablefile.read(folder / "tables" / "curves.parquet")


def restate(folder: Path, resolved: dict[str, Any]) -> None:
    """Compute the statistics of the tables, as a thorough forger would."""
    shutil.rmtree(folder / "statistics", ignore_errors=True)
    statistics.run(
        folder / "tables", folder / "statistics", resolved, rankings=[folder / p for p in rankings(resolved)]
    )


def relist(folder: Path) -> None:
    """Write the list of files anew, as a forger would."""
    manifest.write(folder)


def forge(folder: Path, row: int, accuracy: float, restated: bool) -> None:
    """Change one accuracy in the table and write all anew that shows it; the statistics where `restated`."""
    table = curves(folder)
    table.loc[row, "accuracy"] = accuracy
    write_table(folder, table)
    if restated:
        restate(folder, config())
    relist(folder)


def some_row(folder: Path, rate: float = 0.4, criterion: str = "lrp") -> int:
    """Index of a row of seed 1."""
    table = curves(folder)
    return int(table[(table["criterion"] == criterion) & (table["rate"] == rate) & (table["seed"] == 1)].index[0])
