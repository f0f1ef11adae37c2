"""Options of commands that their rules work out from wildcards, inputs and outputs."""

import json
import os
from pathlib import Path
from shlex import quote
from typing import Any

from secateur.dag.planned import PlannedRun
from secateur.models import build


class Options:
    """The options of one run's jobs."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run

    def what_to_fetch(self, wildcards: Any) -> str:
        """The part of a dataset's entry that says what is fetched, as JSON: nothing else makes it be fetched again."""
        entry = self._run.datasets[wildcards.dataset]
        return json.dumps({key: entry[key] for key in ("files", "how") if key in entry})

    def dataset_entry(self, wildcards: Any) -> str:
        """A dataset's entry as JSON."""
        return json.dumps(self._run.datasets[wildcards.dataset])

    def source(self, wildcards: Any, input: Any) -> str:
        """What a dataset is made from, where it is made from files."""
        entry = self._run.datasets[wildcards.dataset]
        return f"--source {quote(input.source[0])}" if "path" in entry or "files" in entry else ""

    def architectures_path(self, wildcards: Any) -> str:
        """Where the architecture is to be found, where it is one of the user's own."""
        own = build.behind(wildcards.architecture)
        inside = own is None or own.path.is_relative_to(Path(build.__file__).parent)
        folders = [] if inside else self._run.config["architectures_path"]
        return " ".join(f"--architectures-path {quote(folder)}" for folder in folders)

    def pretraining(self, wildcards: Any, input: Any) -> str:
        """The images that a backbone is pretrained on, where it is."""
        return (
            f"--data {input[0]}" if "pretrain" in self._run.config["backbones"][wildcards.backbone]["weights"] else ""
        )

    @staticmethod
    def draw(wildcards: Any) -> str:
        """Which of several pretrainings, where they vary."""
        return f"--draw {wildcards.draw[1:]}" if wildcards.draw else ""

    def results(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 (Snakemake's own argument)
        """The run's folder as a job sees it: a storage plugin puts inputs elsewhere, side by side as they were."""
        results = self._run.results
        paths = [str(path) for path in input if f"{results}/" in str(path)]
        return paths[0][: paths[0].rindex(f"{results}/")] + results if paths else results

    def toy_folder(self, wildcards: Any, input: Any) -> str:
        """Where the 2-D study's files lie."""
        return f"{self.results(wildcards, input)}/toy"

    def gallery_folder(self, wildcards: Any, input: Any) -> str:
        """Where the pictures lie."""
        return f"{self.results(wildcards, input)}/gallery"

    @staticmethod
    def case_folder(wildcards: Any, input: Any, output: Any) -> str:  # noqa: ARG004
        """Where a case is written."""
        return os.path.dirname(output[0])  # noqa: PTH120 (as it stands in the command)

    @staticmethod
    def cases_folder(wildcards: Any, input: Any, output: Any) -> str:  # noqa: ARG004
        """Where the cases of a study lie."""
        return os.path.dirname(os.path.dirname(input.scores[0]))  # noqa: PTH120
