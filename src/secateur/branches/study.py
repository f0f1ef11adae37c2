"""A study as its stages load it: its images on the device, its model of a seed, its units and reference samples."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import references, store
from secateur.models import inputs
from secateur.models.backbones import fresh
from secateur.models.inputs import Images
from secateur.models.transfer import divided, example_input, load_task_model, parts
from secateur.pruning import unitfile
from secateur.pruning.counting import Counter
from secateur.pruning.selection import Selector
from secateur.pruning.units import UnitGroup, find_unit_groups, in_scope
from secateur.relevance import folding
from secateur.varying import draw_of


@dataclass(frozen=True)
class Study:
    """One study: its config, its dataset's arrays, where its models lie, and an image of zeros to trace networks with.

    Images are mapped and labels read when they are first asked for: a criterion that needs no data loads none.
    """

    config: dict[str, Any]
    name: str
    dataset: store.Dataset
    models: Path
    example: Tensor
    units: Path | None = None
    measured: Path | None = None
    shared: Path | None = None
    given: "Study | None" = None
    """The study as it was opened, where this one's images are divided anew."""

    def of(self, seed: int) -> "Study":
        """The study with the training and test images of one seed: itself, unless the config lets the split vary."""
        whole = self.given or self
        if "split" not in self.config["vary"]:
            return whole
        return replace(whole, dataset=divided(self.config, whole.dataset, seed), given=whole)

    @cached_property
    def train_inputs(self) -> Images:
        """All training images, as bytes that become batches on the device."""
        return inputs.images(self.dataset, "train", self.example.device)

    @cached_property
    def train_labels(self) -> Tensor:
        """N class indices on the device."""
        return inputs.labels(self.dataset.train_labels, self.example.device)

    @cached_property
    def test_inputs(self) -> Images:
        """All test images, as `train_inputs`."""
        return inputs.images(self.dataset, "test", self.example.device)

    @cached_property
    def test_labels(self) -> Tensor:
        """Their class indices."""
        return inputs.labels(self.dataset.test_labels, self.example.device)

    @cached_property
    def content(self) -> str:
        """Hash of what its dataset holds: the images (by their checksums, where they have any), labels and classes."""
        digest = hashlib.sha256(json.dumps(self.dataset.about, sort_keys=True).encode())
        for split in ("train", "test"):
            checks = self.dataset.checks.get(split)
            images = checks.sums if checks is not None else getattr(self.dataset, f"{split}_inputs")
            for array in (images, getattr(self.dataset, f"{split}_labels")):
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def model(self, seed: int) -> nn.Module:
        """The unpruned task model of one seed, in eval mode."""
        return load_task_model(self.config, self.name, self.dataset, self.models, seed)

    @cached_property
    def groups(self) -> list[UnitGroup]:
        """The units of the unpruned network that the scope allows to remove: the same for every seed.

        Read from the file of the units stage where the study was opened with one, else found by tracing.
        """
        if self.given is not None:
            return self.given.groups
        scope = scope_of(self.config, self.name)
        if self.units is not None:
            return in_scope(unitfile.read(self.units), scope)
        return find_unit_groups(self._whole, self.example, scope)

    def references(self, samples: Path, seed: int, samples_per_class: str) -> tuple[Images, Tensor]:
        """Reference images and labels of one seed; `samples` is the CSV that the transfer stage wrote."""
        index = self.references_index(samples, seed, samples_per_class)
        return self.train_inputs.subset(index), self.train_labels[index]

    def references_index(self, samples: Path, seed: int, samples_per_class: str) -> np.ndarray:
        """Where in the training split the reference samples of one seed are."""
        return references.read(samples, seed, samples_per_class, self.dataset.train_labels)

    def trained_on(self, seed: int) -> tuple[Images, Tensor]:
        """The images and labels on which all networks of a seed are trained, pruned or not."""
        index, _ = parts(self.config, self.name, self.dataset.train_labels, seed)
        return self.train_inputs.subset(index), self.train_labels[torch.from_numpy(index)]

    def mixed(self, seed: int) -> tuple[Images, Tensor]:
        """The same in an order that mixes the classes, one for all networks of a seed: what statistics are taken on."""
        images, labels = self.trained_on(seed)
        draw = draw_of(self.config, "head", seed)
        stream = streams.derive(self.config["run_seed"], "statistics", self.name, draw)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(stream))
        return images.subset(order), labels[order.to(labels.device)]

    @property
    def selecting(self) -> Selector:
        """How the config chooses units."""
        scheme, min_units, budget = (self.config[key] for key in ("scheme", "min_units", "budget"))
        return Selector(scheme, min_units, budget, tuple(self.example.shape[1:]))

    @cached_property
    def _whole(self) -> nn.Module:
        """The unpruned network with random weights: what is traced."""
        network = fresh(self.config, self.config["studies"][self.name]["backbone"], self.dataset)
        return network.to(self.example.device).eval()

    @cached_property
    def counter(self) -> Counter:
        """Counts every network that is left of the study's, from one trace of it."""
        if self.given is not None:
            return self.given.counter
        return Counter(self._whole, tuple(self.example.shape[1:]))

    @cached_property
    def folded(self) -> dict[str, str]:
        """Layer -> its batch-norm, which evaluation folds into it: the same for every network that is left."""
        if self.given is not None:
            return self.given.folded
        return folding.pairs(self._whole, self.example)


def scope_of(config: dict[str, Any], study: str) -> str:
    """Which units a study may lose: its own `scope`, or the run's."""
    return config["studies"][study].get("scope", config["scope"])


def open_study(
    config: dict[str, Any],
    name: str,
    data: Path,
    models: Path,
    units: Path | None = None,
    measured: Path | None = None,
    shared: Path | None = None,
) -> Study:
    """The study called `name`.

    Args:
        config: the run's resolved config.
        name: of the study.
        data: its dataset, prepared for the backbone.
        models: weights of its seeds.
        units: its unit groups, as `secateur units` writes them; they are found anew without it.
        measured: its unpruned networks' measurements, as `secateur unpruned` writes them; measured anew without it.
        shared: folder in which its jobs tell each other what they measured and trained; see branches/shared.py.
    """
    dataset = store.load(data)
    return Study(config, name, dataset, models, example_input(config, name, dataset), units, measured, shared)
