"""Hashes of the sources that jobs depend on, as params, and the file that tells the jobs which sources these are."""

import itertools
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from secateur import repair, sources
from secateur.dag import place
from secateur.dag.planned import PlannedRun
from secateur.errors import SecateurError
from secateur.files import md5, read_json, write_json
from secateur.models import build
from secateur.ranking import registry
from secateur.repair import registry as remedies


class Code:
    """The hashes of one run; `code("fewshot")` for a rule's `params`: an edit reruns the stage.

    A stage's sources are found from the subcommand's imports (`sources.py`), and its job fails where it ran others
    (`loaded.py`), which the rule tells it by `--code {params.code}`.
    """

    def __init__(self, run: PlannedRun, workflow: Any) -> None:
        """`workflow` is Snakemake's."""
        self._run = run
        self._workflow = workflow
        self._apart = place.is_apart(workflow)
        self._beside = sources.beside()
        self._known: dict[str, dict[str, Any]] = {"jobs": {}, "planned": {}}
        self._hash = cache(self._hash_of)
        self._before = cache(self._written_before)

    def __call__(
        self, command: str, criteria: Iterable[str] | None = None, files: Iterable[str] = ()
    ) -> Callable[..., str]:
        """The hash for the jobs of a rule, as a function of their wildcards.

        Args:
            command: the subcommand's words.
            criteria: entries of the config whose sources count; else that of the job's wildcard, or all. Of
                architectures those of the job's wildcards count, or all.
            files: what else it reads that no rule makes.
        """

        def of_job(wildcards: Any) -> str:
            given = dict(wildcards.items())
            named = [given["criterion"]] if "criterion" in given else self._run.criteria
            chosen = tuple(named if criteria is None else criteria)
            return self._hash(command, chosen, self._architectures(given), tuple(files))

        return of_job

    def write(self) -> None:
        """Write down which sources the jobs are planned with, for them to compare."""
        for job in self._workflow.dag.jobs:
            _ = job.params  # works out its hash, if nobody has asked for it yet
        write_json(self._run.code_file, self._known)

    def _hash_of(
        self, command: str, criteria: tuple[str, ...], architectures: tuple[str, ...], files: tuple[str, ...]
    ) -> str:
        """Of the sources as they are when the workflow starts, also in the processes of its jobs."""
        key = json.dumps([command, criteria, architectures, files])
        if not place.plans(self._workflow) and key in self._before():
            return str(self._before()[key])
        try:
            counted = sources.of_command(command, self._chosen(criteria, architectures))
        except SecateurError as error:
            raise WorkflowError(str(error)) from None
        read = {str(path): md5(path) for path in files}
        digest = sources.digest(counted | {Path(path).name: read[path] for path in read})
        self._known["jobs"][digest] = {"sources": counted, "beside": self._beside, "files": read}
        self._known["planned"][key] = digest
        if self._apart:
            self._add_to_file()
        return digest

    def _chosen(self, criteria: tuple[str, ...], architectures: tuple[str, ...]) -> dict[str, list[sources.Chosen]]:
        """What registries load for these, and for the remedies of the run's studies."""
        folders = self._run.config["criteria_path"]
        behind = [registry.source_of(self._run.entry_of(name)["criterion"], folders) for name in criteria]
        own = filter(None, map(build.behind, architectures))
        tried = itertools.chain(*(repair.tried(self._run.config, study) for study in self._run.config["studies"]))
        return {
            "criteria": [sources.Chosen(each.loaded_as, each.path) for each in behind],
            "architectures": [sources.Chosen(each.module, each.path) for each in own],
            "remedies": [
                sources.Chosen(f"secateur.remedies.{name}", remedies.FOLDER / f"{name}.py")
                for name in dict.fromkeys(tried)
            ],
        }

    def _architectures(self, given: dict[str, str]) -> tuple[str, ...]:
        """The architectures that a job with these wildcards may build."""
        if "architecture" in given:
            return (given["architecture"],)
        backbones = self._run.config["backbones"]
        if "study" in given:
            names = [self._run.config["studies"][given["study"]]["backbone"]]
        else:
            names = [given["backbone"]] if "backbone" in given else backbones
        return tuple(backbones[name]["architecture"] for name in names)

    def _written_before(self) -> dict[str, str]:
        """What the process that planned the run has written: what a job is for → the hash of its sources."""
        try:
            planned: dict[str, str] = read_json(self._run.code_file)["planned"]
        except SecateurError:
            return {}
        return planned

    def _add_to_file(self) -> None:
        before = read_json(self._run.code_file) if Path(self._run.code_file).exists() else {}
        write_json(self._run.code_file, {kind: before.get(kind, {}) | self._known[kind] for kind in self._known})
