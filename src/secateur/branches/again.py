"""Curves of a run measured again from the data alone: what a check of somebody else's numbers needs.

Everything in between (pretraining, transfer, reference samples, ranking) is made again too, for the one seed that is
asked for, and kept in a folder so that several curves of a seed share it. Nothing of the run but its config is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import layout, shipped, tablefile
from secateur.branches import decomposition, fewshot, ranking, repairing, retrain, tuning
from secateur.branches.study import Study, open_study
from secateur.config import datasets
from secateur.data import preparation, store
from secateur.errors import SecateurError
from secateur.models import backbones, transfer
from secateur.varying import draw_of

EMBEDDED = ("digits",)
"""Kinds of datasets that Secateur brings along: they are made where they are not there."""
FEWSHOT, RETRAIN, REPAIRED, DECOMPOSED = "fewshot", "retrain", "repaired", "decomposed"


@dataclass(frozen=True)
class Again:
    """A run that is measured again: its resolved config, and a folder of one's own for what is made on the way."""

    config: dict[str, Any]
    folder: Path

    def curves(self, kind: str, study: str, criterion: str, seed: int) -> pd.DataFrame:
        """The rows of the table `curves` that a job of this kind writes for one seed.

        Args:
            kind: FEWSHOT, RETRAIN, REPAIRED (by every remedy) or DECOMPOSED (every other choice of units).
            study, criterion: names in the config; the criterion is no Snakemake rule.
            seed: below the config's `seeds`.

        Raises:
            SecateurError: the data are not there and cannot be made, or what a stage raises.
        """
        opened, samples = self._study(study, seed)
        output, tuned = self.folder / "curves" / kind / study / criterion / f"{seed}.parquet", None
        if "tune" in ranking.entry_of(opened, criterion):
            tuned = self._once(
                f"tuning/{study}/{criterion}/{seed}.parquet",
                lambda path: tuning.tune(opened, criterion, [seed], samples, path),
            )
        if kind == RETRAIN:
            retrain.retrain(opened, criterion, [seed], samples, self.folder / "state" / "retrain", output, tuned)
            return tablefile.read(output)
        scores = self._once(
            f"rankings/{study}/{criterion}/{seed}.safetensors",
            lambda path: ranking.rank_study(opened, criterion, [seed], samples, path, tuned),
        )
        if kind == FEWSHOT:
            fewshot.fewshot(opened, criterion, [seed], scores, output, output.with_suffix(".profiles"))
        elif kind == REPAIRED:
            repairing.repair_study(opened, criterion, [seed], samples, scores, output)
        else:
            decomposition.decompose(opened, criterion, [seed], scores, output)
        return tablefile.read(output)

    def _study(self, name: str, seed: int) -> tuple[Study, Path]:
        """The study with the network of one seed, made again, and the file of the seed's reference samples."""
        entry = self.config["studies"][name]
        data = self._images(entry["dataset"], entry["backbone"])
        begun = self._backbone(entry["backbone"], seed)
        models = self.folder / "models" / name / f"{seed}.safetensors"
        samples = self.folder / "samples" / name / f"{seed}.csv"
        if not models.exists():
            state, history = self.folder / "state" / "transfer", models.with_suffix(".csv")
            transfer.transfer(self.config, name, [seed], data, [begun], state, models, samples, history)
        return open_study(self.config, name, data, models), samples

    def _backbone(self, name: str, seed: int) -> Path:
        """Weights of the backbone that a seed's network starts from."""
        weights = self.config["backbones"][name]["weights"]
        draw = draw_of(self.config, "pretraining", seed) if "pretraining" in self.config["vary"] else None
        data = self._images(weights["pretrain"], name) if "pretrain" in weights else None

        def make(path: Path) -> None:
            backbones.make(self.config, name, data, self.folder / "state", path, path.with_suffix(".json"), draw)

        return self._once(f"backbones/{name}{'' if draw is None else f'-{draw}'}.safetensors", make)

    def _images(self, dataset: str, backbone: str) -> Path:
        """The dataset's images prepared for a backbone: those of this folder, or made here where they are embedded."""
        entry = self.config["backbones"][backbone]
        prepared = layout.prepared(dataset, entry)
        if prepared.exists():
            return prepared
        about = datasets(self.config)[dataset]
        if about["kind"] not in EMBEDDED:
            raise SecateurError(
                f"the images of {dataset} are not in this folder ({prepared} is not there). Make them: "
                f"snakemake --cores all --configfile <the run's config.json> {prepared}"
            )
        raw = self._once(f"data/{dataset}", lambda path: store.make(dataset, about, path, shipped.find("data.dvc")))
        transform = preparation.transform_of(entry["architecture"], entry["size"], entry["colour"])
        return self._once(str(prepared), lambda path: preparation.prepare(raw, transform, path))

    def _once(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file or folder of this name; made where it is not there yet."""
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        return path
