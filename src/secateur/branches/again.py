"""Curves of a run measured again from the data alone, without the workflow: what a check of others' numbers needs.

Everything in between (pretraining, transfer, reference samples, ranking) is made again too, for the seeds that are
asked for, and kept in a folder: several curves share it, and what is there is not made again. Of the run only its
config is read, and the hashes of its data. Who has its networks puts them where they would be made, under the same
names. Archives that the config names are looked for in the mirror folder first, as the workflow does.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import layout, shipped, tablefile
from secateur.branches import decomposition, fewshot, ranking, repairing, retrain, tuning
from secateur.branches.study import Study, open_study
from secateur.config_datasets import datasets
from secateur.data import checksums, fetching, preparation, store
from secateur.errors import SecateurError
from secateur.models import backbones, transfer
from secateur.models.transforms import transform_of
from secateur.provenance import content_hash
from secateur.varying import draw_of

FEWSHOT, RETRAIN, REPAIRED, DECOMPOSED = "fewshot", "retrain", "repaired", "decomposed"


@dataclass(frozen=True)
class Again:
    """A run that is measured again: its resolved config, a folder of one's own for what is made on the way, and the
    run's `hashes` of data (as provenance.json has them), which the images must have where they are named."""

    config: dict[str, Any]
    folder: Path
    data: dict[str, str] = field(default_factory=dict)

    def curves(self, kind: str, study: str, criterion: str, seeds: Sequence[int]) -> pd.DataFrame:
        """The rows of the table `curves` that a job of this kind writes for these seeds.

        Args:
            kind: FEWSHOT, RETRAIN, REPAIRED (by every remedy) or DECOMPOSED (every other choice of units).
            study, criterion: names in the config; the criterion is no Snakemake rule.
            seeds: one after the other, below the config's `seeds`.

        Raises:
            SecateurError: the data are not there and cannot be made, or what a stage raises.
        """
        opened, samples = self.study(study, seeds), self.samples(study, seeds)
        job = f"{study}/{criterion}/{_part(seeds)}"

        def make(path: Path) -> None:
            if kind == RETRAIN:
                state = self.folder / "state" / "retrain" / job
                retrain.retrain(opened, criterion, seeds, samples, state, path, self._tuned(study, criterion, seeds))
                return
            scores = self.scores(study, criterion, seeds)
            if kind == FEWSHOT:
                fewshot.fewshot(opened, criterion, seeds, scores, path, self.folder / "profiles" / f"{job}.parquet")
            elif kind == REPAIRED:
                repairing.repair_study(opened, criterion, seeds, samples, scores, path)
            else:
                decomposition.decompose(opened, criterion, seeds, scores, path)

        return tablefile.read(self._once(f"curves/{kind}/{job}.parquet", make))

    def scores(self, study: str, criterion: str, seeds: Sequence[int]) -> Path:
        """The score file of a criterion."""
        opened, samples = self.study(study, seeds), self.samples(study, seeds)
        tuned = self._tuned(study, criterion, seeds)
        return self._once(
            f"rankings/{study}/{criterion}/{_part(seeds)}.safetensors",
            lambda path: ranking.rank_study(opened, criterion, seeds, samples, path, tuned),
        )

    def redraws(self, study: str, criterion: str, seeds: Sequence[int]) -> Path:
        """The score file of a criterion on other draws of reference samples; seed 0 is among `seeds`."""
        opened = self.study(study, seeds)
        return self._once(
            f"redraws/{study}/{criterion}.safetensors", lambda path: ranking.rank_redraws(opened, criterion, path)
        )

    def study(self, name: str, seeds: Sequence[int]) -> Study:
        """The study with the networks of these seeds."""
        entry = self.config["studies"][name]
        data = self._images(entry["dataset"], entry["backbone"])
        models = self.folder / "models" / name / f"{_part(seeds)}.safetensors"
        if not (models.exists() and self.samples(name, seeds).exists()):
            begun = list(dict.fromkeys(self._backbone(entry["backbone"], seed) for seed in seeds))
            state, history = self.folder / "state" / "transfer" / name, models.with_suffix(".csv")
            written = transfer.Transferred(models, self.samples(name, seeds), history)
            transfer.transfer(self.config, name, seeds, data, begun, state, written)
        return open_study(self.config, name, data, models)

    def samples(self, study: str, seeds: Sequence[int]) -> Path:
        """The file of these seeds' reference samples, made with the study."""
        return self.folder / "samples" / study / f"{_part(seeds)}.csv"

    def _tuned(self, study: str, criterion: str, seeds: Sequence[int]) -> Path | None:
        """Options of a criterion that is tuned; None for others."""
        opened, samples = self.study(study, seeds), self.samples(study, seeds)
        if "tune" not in ranking.entry_of(opened, criterion):
            return None
        return self._once(
            f"tuning/{study}/{criterion}/{_part(seeds)}.parquet",
            lambda path: tuning.tune(opened, criterion, seeds, samples, path),
        )

    def _backbone(self, name: str, seed: int) -> Path:
        """Weights of the backbone that a seed's network starts from."""
        weights = self.config["backbones"][name]["weights"]
        draw = draw_of(self.config, "pretraining", seed) if "pretraining" in self.config["vary"] else None
        data = self._images(weights["pretrain"], name) if "pretrain" in weights else None

        def make(path: Path) -> None:
            backbones.make(self.config, name, data, self.folder / "state", path, path.with_suffix(".json"), draw)

        return self._once(f"backbones/{name}{'' if draw is None else f'-{draw}'}.safetensors", make)

    def _images(self, dataset: str, backbone: str) -> Path:
        """The dataset's images prepared for a backbone: those of the folder one stands in, else made here."""
        entry = self.config["backbones"][backbone]
        prepared = layout.prepared(dataset, entry)
        if not prepared.exists():
            raw = Path("data", dataset) if Path("data", dataset).exists() else self._made(dataset)
            transform = transform_of(entry["architecture"], entry["size"], entry["colour"])
            prepared = self._once(str(prepared), lambda path: preparation.prepare(raw, transform, path))
        name = f"{dataset}/{prepared.name}"
        made, said = content_hash(prepared / checksums.NAME), self.data.get(name)
        if said is not None and made != said:
            raise SecateurError(
                f"{prepared}: these images have the hash {made}, those of the run {said}. They come from another "
                "source or version; what is measured on them says nothing about the run."
            )
        return prepared

    def _made(self, dataset: str) -> Path:
        """The dataset, made from what the config names: embedded, fetched (from the mirror folder first) or a path."""
        entry = datasets(self.config)[dataset]
        files = [Path(entry["path"])] if "path" in entry else []
        if entry.get("files"):
            archives = self._once(
                f"data/archives/{dataset}",
                lambda path: fetching.fetch(dataset, entry, path, os.environ.get(fetching.MIRROR)),
            )
            files = [archives / item["name"] for item in entry["files"]]
        return self._once(
            f"data/{dataset}", lambda path: store.make(dataset, entry, path, shipped.find("data.dvc"), files)
        )

    def _once(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file or folder of this name; made where it is not there yet."""
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        return path


def _part(seeds: Sequence[int]) -> str:
    """The name of a block of seeds, as `config.parts` has it."""
    return f"{seeds[0]}-{seeds[-1]}"
