"""The settings that a job depends on, as a param: the part of the config that it reads; another value reruns it."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from secateur import repair
from secateur.dag.planned import PlannedRun
from secateur.files import md5

OF_CRITERIA = ("scope", "scheme", "budget", "min_units", "batch_size")
"""Keys that every stage of a criterion depends on."""


class JobSettings:
    """Parts of one run's config."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run
        self.images: list[int | str] = run.config["fewshot"]["samples_per_class"]
        self.validation: dict[str, Any] = run.config["training"]["validation"]
        self.evaluation = {
            "validation": self.validation,
            "batch_size": run.config["retrain"]["finetune"]["batch_size"],
        }

    def of(self, *keys: str) -> dict[str, Any]:
        """These keys of the config, and those that every job depends on.

        `fewshot` comes without its `grid` and what it says of remedies, on which rules of those names alone depend,
        `retrain` without its `controls`, which are jobs of their own.
        """
        chosen = {key: self._run.config[key] for key in (*keys, "run_seed", "threads", "device")}
        for branch, apart in (
            ("fewshot", ("grid", "remedies", "repaired_samples_per_class")),
            ("retrain", ("controls",)),
        ):
            if branch in chosen:
                chosen[branch] = {key: value for key, value in chosen[branch].items() if key not in apart}
        return chosen

    def backbone(self, wildcards: Any) -> dict[str, Any]:
        """Of the job that makes a backbone's weights: with the content of a file, or the recipe of a training."""
        backbone = self._run.config["backbones"][wildcards.backbone]
        weights, chosen = backbone["weights"], self.of() | {"backbone": backbone}
        if "pretrain" in weights:
            return chosen | {"recipe": self._run.config["training"]["pretrain"]}
        if "file" in weights and Path(weights["file"]).is_file():
            return chosen | {"content": _contents([weights["file"]])}
        return chosen

    def of_network(self, *keys: str) -> Callable[..., dict[str, Any]]:
        """Of a stage that is about a study's network with any weights, as a function of the job's wildcards."""

        def chosen(wildcards: Any) -> dict[str, Any]:
            return self._network(wildcards.study, *keys)

        return chosen

    def of_study(self, *keys: str, **more: Any) -> Callable[..., dict[str, Any]]:
        """Of a stage of a study, as a function of the job's wildcards: the study, these keys of the config, and more,
        each with its value or a function of the wildcards.
        """

        def chosen(wildcards: Any) -> dict[str, Any]:
            return self._network(wildcards.study, "vary", *keys) | _valued(more, wildcards)

        return chosen

    def of_criterion(self, *keys: str, name: str = "", **more: Any) -> Callable[..., dict[str, Any]]:
        """The same of a stage of a criterion, which is that of the job's wildcard or `name`."""

        def chosen(wildcards: Any) -> dict[str, Any]:
            settings = self._network(wildcards.study, "vary", *OF_CRITERIA, *keys)
            entry = self._run.entry_of(name or wildcards.criterion)
            return settings | {"criterion": entry} | _valued(more, wildcards)

        return chosen

    def of_ranking(self, *keys: str, name: str = "") -> Callable[..., dict[str, Any]]:
        """The same of a stage that ranks by it, which reads the sample counts too."""
        return self.of_criterion(*keys, name=name, samples_per_class=self.images)

    def transfer(self, wildcards: Any) -> Any:
        """The recipe that a study's networks are transferred by."""
        return self._run.config["studies"][wildcards.study]["transfer"]

    def remedies(self, wildcards: Any) -> Any:
        """What a study's pruned networks are repaired by, and at which sample counts."""
        return repair.tried(self._run.config, wildcards.study), repair.samples_tried(self._run.config)

    def grid(self, wildcards: Any) -> Any:  # noqa: ARG002 (of the wildcards, since not every run has one)
        """The rates of filters and neurons, of a run that has a grid."""
        return self._run.config["fewshot"]["grid"]

    def _network(self, study: str, *keys: str) -> dict[str, Any]:
        """Keys of the config with the study's own entry and its backbone's.

        The entry comes without its recipe, on which the rule `transfer` alone depends (the others depend on its
        models), and without its remedies.
        """
        entry = self._run.config["studies"][study]
        return self.of(*keys) | {
            "study": {key: value for key, value in entry.items() if key not in ("transfer", "remedies")},
            "backbone": self._run.config["backbones"][entry["backbone"]],
        }


def _contents(paths: list[str]) -> str:
    """Hash of files as a param, beside the input that they are: Snakemake looks at an input's content only when its
    time is newer than the output's, and a copied file or a clock that was set back makes a changed one look old.
    """
    return sha256("".join(md5(path) for path in paths).encode()).hexdigest()[:16]


def _valued(more: dict[str, Any], wildcards: Any) -> dict[str, Any]:
    return {name: value(wildcards) if callable(value) else value for name, value in more.items()}
