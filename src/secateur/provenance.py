"""What made a run: commit, config, versions, machine and time, for the head of the report."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from secateur.files import read_json
from secateur.layout import prepared
from secateur.machine import processor
from secateur.ranking.registry import describe
from secateur.running import FILE, busy_seconds, times

PACKAGES = ("torch", "torchvision", "timm", "torch-pruning", "snakemake", "dvc", "numpy", "scipy", "pandas")


def gather(config: dict[str, Any], results: Path) -> dict[str, Any]:
    """Facts about a run, as the report's head shows them.

    Args:
        config: the run's resolved config.
        results: the run's folder, with what its jobs wrote of their processor time.
    """
    usage = [read_json(path) for path in sorted(results.glob("usage/*/*.json"))]
    return {
        "commit": commit(),
        "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12],
        "hardware": f"{processor()}, {platform.system()}, device {config['device']}, {config['threads']} thread a job",
        "wall_seconds": busy_seconds([(job["started"], job["ended"]) for job in usage if "started" in job]) or None,
        "processor_time": f"{sum(job['cpu_seconds'] for job in usage) / 60:.1f} min in {len(usage)} jobs",
        "rules": rule_times(results / FILE),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "datasets": _datasets(config),
        "backbones": [f"{path.stem}: {origin(read_json(path))}" for path in sorted(results.glob("backbones/*.json"))],
        "criteria": {item["name"]: describe(item["criterion"], config["criteria_path"]) for item in config["criteria"]},
    }


def _datasets(config: dict[str, Any]) -> list[str]:
    """What is known of every dataset whose images were prepared for the run, with those that were left out."""
    used = [(study["dataset"], config["backbones"][study["backbone"]]) for study in config["studies"].values()]
    used += [(backbone["weights"].get("pretrain"), backbone) for backbone in config["backbones"].values()]
    found = {}
    for name, backbone in used:
        path = prepared(name, backbone) / "dataset.json" if name else Path()
        if name and name not in found and path.exists():
            about = read_json(path)
            sizes = {split: sum(counts) for split, counts in about["class_sizes"].items()}
            left_out = sum(about["unreadable"].values())
            found[name] = f"{name}: {sizes['train']} training and {sizes['test']} test images"
            found[name] += f", {left_out} unreadable ones left out" if left_out else ""
            found[name] += f" ({about['citation']}; licence: {about['licence']})"
    return list(found.values())


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
    found = {name: row for name, row in times(read_json(plan), Path()).items() if name != "all"}
    return dict(sorted(found.items(), key=lambda item: -item[1]["wall_seconds"]))


def commit() -> str:
    """Commit of the working tree, with "and local changes" where there are any; "unknown" outside git."""
    try:
        name = _git("rev-parse", "HEAD")
        return name[:12] + (" and local changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
