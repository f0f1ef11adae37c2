"""The run that the workflow plans: its resolved config, the names in it, and where its files lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from secateur import config as configuration
from secateur import config_datasets, running, varying
from secateur.errors import SecateurError
from secateur.ranking import registry


class PlannedRun:
    """What all other parts of this room are told of a run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """
        Args:
            config: as Snakemake has read it.

        Raises:
            WorkflowError: the first thing that is wrong in it, by key.
        """
        try:
            self.config = configuration.resolve(dict(config))
        except SecateurError as error:
            raise WorkflowError(str(error)) from None
        self.mirror: str | None = self.config.pop("mirror", None)
        """Neither a param nor part of what was run: where the bytes come from changes nothing, as long as their hash is
        right.
        """
        self.results = f"results/{self.config['run']}"
        self.config_file = f"{self.results}/config.json"
        self.told = f"{self.results}/shared/{{study}}/{{part}}"
        """Where jobs of one study tell each other what they measured."""
        self.code_file = f"{self.results}/code.json"
        """Which sources the jobs are planned with (`sourcehashes.py`)."""
        self.plan_file = f"{self.results}/{running.FILE}"
        self.datasets = config_datasets.datasets(self.config)
        self.parts = configuration.parts(self.config)
        self.first_part = next(iter(self.parts))
        """What is measured on networks of one part alone is measured on these."""
        self.blocks = self.parts | varying.blocks(self.config)
        """Parts, with those of the further networks of `variance.draws`."""
        self.criteria: list[str] = [item["name"] for item in self.config["criteria"]]
        self.own_rules = [name for name in self.criteria if configuration.is_rule(self.config, self.entry_of(name))]
        """Criteria that are Snakemake rules of the user's own."""
        self.in_python = [name for name in self.criteria if name not in self.own_rules]
        self.tuned = [name for name in self.criteria if "tune" in self.entry_of(name)]
        toy_entries = configuration.toy_criteria(self.config) if "toy" in self.config else []
        self.toy_criteria: list[str] = [item["name"] for item in toy_entries]
        """Those of the 2-D study."""
        self.pretrains = any("pretrain" in entry["weights"] for entry in self.config["backbones"].values())

    def entry_of(self, name: str) -> dict[str, Any]:
        """The config's entry of a criterion."""
        return next(item for item in self.config["criteria"] if item["name"] == name)

    def criterion_path(self, name: str) -> Path:
        """The file of the criterion behind an entry of the config."""
        return registry.path_of(self.entry_of(name)["criterion"], self.config["criteria_path"])

    def rule_files(self) -> list[Path]:
        """The files of the user's own rules."""
        return list(dict.fromkeys(self.criterion_path(name).resolve() for name in self.own_rules))

    def backbone_name(self, wildcards: Any) -> str:
        """The backbone of a job: its study's, or that of its wildcard."""
        if "study" in wildcards.keys():  # noqa: SIM118 (Snakemake's wildcards are a list)
            return str(self.config["studies"][wildcards.study]["backbone"])
        return str(wildcards.backbone)

    def part_of(self, seed: str) -> str:
        """The block of seeds that `seed` is in."""
        return next(part for part, seeds in self.blocks.items() if int(seed) in seeds)
