"""What jobs read of a criterion: its file, its tuned options, and of a rule of the user's own its answers."""

from collections.abc import Callable
from os.path import relpath
from pathlib import Path
from typing import Any

from snakemake.io import local

from secateur.dag.planned import PlannedRun


class Criteria:
    """The criteria of one run, as inputs."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run
        self.files = {"criteria": [self.file(name) for name in run.in_python]}
        """Of all that are Python."""

    def file(self, name: str) -> Any:
        """The file of the criterion behind an entry of the config; `local`, since sources lie in no bucket."""
        path = self._run.criterion_path(name)
        inside = path.resolve().is_relative_to(Path.cwd())
        return local(relpath(path) if inside else str(path.resolve()))

    def of_job(self, wildcards: Any) -> Any:
        """The same of the criterion that is a job's wildcard."""
        return self.file(wildcards.criterion)

    def of_round(self, wildcards: Any) -> list[Any]:
        """What a round of retraining ranks by: the criterion's file; of a rule also its scores, which say when it
        changed.
        """
        name = wildcards.criterion
        scores = f"{self._run.results}/rankings/{wildcards.study}/{name}/{wildcards.part}.safetensors"
        return [self.file(name)] + ([scores] if name in self._run.own_rules else [])

    def tuned(self, name: str) -> list[str]:
        """The options that were tuned for a study and part, where the criterion has any to tune."""
        return [f"{self._run.results}/tuning/{{study}}/{name}/{{part}}.parquet"] if name in self._run.tuned else []

    def tuned_of_round(self, wildcards: Any) -> list[str]:
        """The same, for a rule of all criteria."""
        return [path.format(**wildcards) for path in self.tuned(wildcards.criterion)]

    def in_cases(self, file: str) -> Callable[..., list[str]]:
        """That file in the case of every seed and sample count of a study and part, as a function of the wildcards."""

        def paths(wildcards: Any) -> list[str]:
            return [
                f"{self._run.results}/cases/{wildcards.study}/{seed}-{samples}/{file}"
                for seed in self._run.blocks[wildcards.part]
                for samples in self._run.config["fewshot"]["samples_per_class"]
            ]

        return paths
