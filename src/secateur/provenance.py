"""What made a run: commit, config, versions, machine and time, for the head of the report."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from secateur import __version__, running, shipped
from secateur.config import is_rule, parts
from secateur.data import checksums
from secateur.files import read_json
from secateur.layout import prepared, rankings
from secateur.machine import processor
from secateur.ranking import glossary
from secateur.ranking.registry import describe
from secateur.running import FILE, busy_seconds, times

CLAIMS = Path("config/claims.yaml")
OF_A_RULE = " (A Snakemake rule of the user's own: not timed, not ranked on other draws, not in the 2-D study.)"
PACKAGES = (
    "torch", "torchvision", "timm", "torch-pruning", "snakemake", "dvc", "numpy", "scipy", "pandas",  # the page's head
    "altair", "jinja2", "jsonschema", "networkx", "optuna", "pillow", "pyarrow", "pyyaml", "requests", "rich",
    "safetensors", "scikit-learn", "scikit-posthocs", "seaborn", "typer", "vl-convert-python", "matplotlib",
)  # fmt: skip
"""All that Secateur depends on by itself, and Matplotlib; the lock has the rest."""


def gather(config: dict[str, Any], results: Path) -> dict[str, Any]:
    """Facts about a run, as the report's head shows them.

    Args:
        config: the run's resolved config.
        results: the run's folder, with what its jobs wrote of their processor time.
    """
    usage = [read_json(path) for path in sorted(results.glob("usage/*/*.json"))]
    return {
        "commit": commit(),
        "config_hash": config_hash(config),
        "hardware": hardware(config),
        "wall_seconds": busy_seconds([(job["started"], job["ended"]) for job in usage if "started" in job]) or None,
        "processor_time": f"{sum(job['cpu_seconds'] for job in usage) / 60:.1f} min in {len(usage)} jobs",
        "rules": rule_times(results / FILE),
        "versions": versions(),
        "hashes": hashes(config, results),
        "datasets": _datasets(config),
        "backbones": [f"{path.stem}: {origin(read_json(path))}" for path in sorted(results.glob("backbones/*.json"))],
        "criteria": {
            item["name"]: describe(item["criterion"], config["criteria_path"])
            + (OF_A_RULE if is_rule(config, item) else "")
            for item in config["criteria"]
        },
        "glossary": {item["name"]: glossary.entry(item, config["criteria_path"]) for item in config["criteria"]},
    }


def config_hash(config: dict[str, Any]) -> str:
    """12 digits of a SHA-256 of a resolved config."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


ARITHMETIC = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
"""Variables of the environment by which PyTorch's libraries take other instructions than the processor offers."""


def hardware(config: dict[str, Any]) -> str:
    """The machine with what of the config and the environment decides the order of sums on it."""
    told = [f"{name}={os.environ[name]}" for name in ARITHMETIC if name in os.environ]
    known = [processor(), platform.system(), f"device {config['device']}", f"{config['threads']} thread a job", *told]
    return ", ".join(known)


def versions() -> dict[str, str]:
    """Python, Secateur and the packages that it depends on by itself → version."""
    own = {"python": platform.python_version(), "secateur": __version__}
    return own | {name: importlib.metadata.version(name) for name in PACKAGES}


def hashes(config: dict[str, Any], results: Path) -> dict[str, dict[str, str]]:
    """Kind → name → 16 digits of a SHA-256: what a run was made from (data, claims) and what its first stages made.

    Images and weights are not read again: a folder of data is known by its list of checksums, a safetensors file by its
    header, which has a checksum of every tensor. What is not there (in a partial report) has none.
    """
    blocks = [f"{study}/{part}" for study in config["studies"] for part in parts(config)]
    ranked: dict[str, list[Path]] = {}
    for path in rankings(config):
        ranked.setdefault("/".join(path.parts[1:-1]), []).append(results / path)
    files = {
        "data": {name: [path] for name, path in data_files(config).items()},
        "claims": {CLAIMS.name: [shipped.find(CLAIMS)]},
        "backbones": {name: [results / f"backbones/{name}.safetensors"] for name in config["backbones"]},
        "models": {block: [results / f"models/{block}.safetensors"] for block in blocks},
        "samples": {block: [results / f"samples/{block}.csv"] for block in blocks},
        "rankings": ranked,
    }
    by_kind = {kind: {name: content_hash(*paths) for name, paths in named.items()} for kind, named in files.items()}
    return {kind: {name: value for name, value in named.items() if value} for kind, named in by_kind.items()}


def data_files(config: dict[str, Any]) -> dict[str, Path]:
    """Every dataset that the run reads, by name → the list of checksums that its content is known by.

    The images as each network sees them, under the name of their folder in data/prepared, and the 2-D sets.
    """
    folders = {path.relative_to("data/prepared").as_posix(): path for _, path in _prepared(config)}
    folders |= {name: Path("data", name) for name in config.get("toy", {}).get("datasets", [])}
    return {name: folder / checksums.NAME for name, folder in folders.items()}


def content_hash(*paths: Path) -> str | None:
    """16 digits of the SHA-256 of files, one after the other; of safetensors files the header alone, which has a
    checksum of every tensor. None where one is not there."""
    if not all(path.exists() for path in paths):
        return None
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            size = path.stat().st_size
            if path.suffix == ".safetensors":  # a damaged length is no reason to ask for more than there is
                size = min(size, int.from_bytes(file.read(8), "little"))
            digest.update(file.read(size))
    return digest.hexdigest()[:16]


def _prepared(config: dict[str, Any]) -> list[tuple[str, Path]]:
    """Every dataset that the run's networks see, and its folder of prepared images."""
    used = [(study["dataset"], config["backbones"][study["backbone"]]) for study in config["studies"].values()]
    used += [(backbone["weights"].get("pretrain"), backbone) for backbone in config["backbones"].values()]
    return [(name, prepared(name, backbone)) for name, backbone in used if name]


def _datasets(config: dict[str, Any]) -> list[str]:
    """What is known of every dataset whose images were prepared for the run, with those that were left out."""
    described = {}
    for name, folder in _prepared(config):
        path = folder / "dataset.json"
        if name not in described and path.exists():
            about = read_json(path)
            sizes = {split: sum(counts) for split, counts in about["class_sizes"].items()}
            left_out = sum(about["unreadable"].values())
            described[name] = f"{name}: {sizes['train']} training and {sizes['test']} test images"
            described[name] += f", {left_out} unreadable ones left out" if left_out else ""
            described[name] += f" ({about['citation']}; licence: {about['licence']})"
    return list(described.values())


def origin(about: dict[str, Any]) -> str:
    """Where a backbone's weights came from, in words; `about` is what models.backbones.make wrote of it."""
    if about["source"] == "pretrain":
        return f"{about['architecture']} pretrained on {about['dataset']} (test accuracy {about['accuracy']:.3f})"
    place = about.get("repository") or about["file"]
    revision = f" at {about['revision'][:12]}" if about.get("revision") else ""
    return f"{about['architecture']} from {place}{revision} (SHA-256 {about['sha256'][:16]})"


def rule_times(plan: Path) -> dict[str, dict[str, float]]:
    """Rule → its jobs and their times, slowest first (see running.times); {} for a run without a plan."""
    if not plan.exists():
        return {}
    by_rule = {name: row for name, row in times(running.read(plan), Path()).items() if name != "all"}
    return dict(sorted(by_rule.items(), key=lambda item: -item[1]["wall_seconds"]))


def commit() -> str:
    """Commit of the working tree, with "and local changes" where there are any; "unknown" outside git.

    An installed package is known by its version: the folder one stands in has another history, if any.
    """
    if shipped.INSTALLED:
        return f"Secateur {__version__}, installed"
    try:
        name = _git("rev-parse", "HEAD")
        return name[:12] + (" and local changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
