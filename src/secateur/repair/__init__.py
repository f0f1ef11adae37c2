"""Repairing pruned networks without training: what a remedy may look at, its algebra, and how remedies are found."""

from typing import Any

NONE = "none"
"""The remedy of networks that are measured as they were cut."""


def tried(config: dict[str, Any], study: str) -> list[str]:
    """The remedies that a study's pruned networks are repaired by, without `none`: its own, or else those of all."""
    names: list[str] = config["studies"][study].get("remedies", config["fewshot"]["remedies"])
    return [name for name in names if name != NONE]


def samples_tried(config: dict[str, Any]) -> list[int | str]:
    """The sample counts of the few-shot branch at which remedies are tried."""
    chosen: list[int | str] = config["fewshot"].get(
        "repaired_samples_per_class", config["fewshot"]["samples_per_class"]
    )
    return chosen
