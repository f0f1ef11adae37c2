"""The gallery: what LRP sees in reference images, and which test images each criterion's pruned network gets wrong."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur.branches.study import Study
from secateur.data.references import asked_for, largest
from secateur.files import replacing
from secateur.models.evaluation import logits
from secateur.pruning.removal import sweep
from secateur.pruning.units import layers_of
from secateur.ranking import registry, scorefile
from secateur.ranking.network import Network

LARGEST = {"reference": 112, "wrong": 64}
"""Pixels a side that a picture is reduced to: photographs would fill the report otherwise."""

SATURATED = 0.03
"""Share of a map's pixels that have its strongest colour."""


class Recorder(Network):
    """A network that remembers which relevance a criterion asked for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[dict[str, Any]] = []

    def relevance(self, *arguments: Any, **options: Any) -> Iterator[dict[str, Tensor]]:
        """As `Network.relevance`."""
        bound = inspect.signature(Network.relevance).bind(self, *arguments, **options).arguments
        self.asked.append({name: value for name, value in bound.items() if name != "self"})
        return super().relevance(*arguments, **options)


def gallery(study: Study, seed: int, samples: Path, rankings: Mapping[str, Path], output: Path) -> None:
    """Write the pictures of one study's task model as one archive.

    Args:
        study: its config's `gallery` says how many pictures, at which rate and with how many reference samples.
        seed: whose model, reference samples and rankings.
        samples: reference samples, CSV of the transfer stage.
        rankings: criterion → its score file.
        output: written (npz): `seed rate samples_per_class test_samples`, `reference/images` (R × h × w × C uint8),
            `reference/labels` (R names of classes), for every criterion that asks for relevance `map/<criterion>`
            (R × h × w float32, see `scaled`), and of every criterion's pruned network
            `wrong/<criterion>/` with `count` (test images that it gets wrong), `images` (W × h × w × C uint8), `labels`
            and `predictions` (W names each): the surest mistake of each class in turn, then the next ones, among the
            images that the unpruned network gets right.
    """
    settings, study = study.config["gallery"], study.of(seed)
    samples_per_class = str(settings.get("samples_per_class", study.config["fewshot"]["samples_per_class"][0]))
    model = study.model(seed)
    arrays: dict[str, Any] = {
        "seed": seed, "rate": settings["rate"], "samples_per_class": samples_per_class,
        "test_samples": len(study.test_labels),
    }  # fmt: skip
    arrays |= _maps(study, model, *_one_a_class(study, seed, samples, settings["images"]))
    whole = _probabilities(model, study)
    sizes = {group.name: group.size for group in study.groups}
    for criterion, path in rankings.items():
        scores = scorefile.read(path, seed, samples_per_class, sizes)
        (step,) = sweep(model, study.groups, scores, [settings["rate"]], study.selecting)
        arrays |= _mistakes(study, f"wrong/{criterion}", whole, _probabilities(step.model, study), settings["wrong"])
    with replacing(output) as temporary, temporary.open("wb") as opened:
        np.savez_compressed(opened, **arrays)


def _one_a_class(study: Study, seed: int, samples: Path, most: int) -> tuple[np.ndarray, Tensor, Tensor]:
    """Stored images of the first `most` classes, one each, and the same as the network sees them.

    They are reference samples; where the whole training split is that and none was drawn, each class's first image.
    """
    if largest(asked_for(study.config)):
        index = study.references_index(samples, seed, "1")[:most]
    else:
        index = np.unique(study.dataset.train_labels, return_index=True)[1][:most]
    return study.dataset.train_inputs[index], study.train_inputs[index], study.train_labels[index]


def _maps(study: Study, model: nn.Module, stored: np.ndarray, images: Tensor, labels: Tensor) -> dict[str, Any]:
    layers = layers_of(study.groups)
    maps: dict[str, Any] = {
        "reference/images": reduced(stored, LARGEST["reference"]),
        "reference/labels": _names(study, labels),
    }
    folders = study.config["criteria_path"]
    for entry in registry.in_process(study.config["criteria"], folders):
        criterion = registry.load(entry["criterion"], folders)
        if "gradients" not in criterion.needs:  # relevance is carried by the same way back
            continue
        network = Recorder(model, layers, images, labels, batch_size=study.config["batch_size"], groups=study.groups)
        criterion.score(network, **registry.with_options(criterion, entry["options"]))
        if network.asked:
            relevance = torch.cat(list(network.input_relevance(**network.asked[0]))).sum(1, keepdim=True)
            relevance = _at_most(relevance.cpu().float(), LARGEST["reference"])[:, 0]
            maps[f"map/{entry['name']}"] = scaled(relevance)
    return maps


def scaled(relevance: Tensor) -> np.ndarray:
    """Maps (N × h × w) in −1…1, each on its own scale: the strongest pixels, `SATURATED` of them, are at its ends.

    A few pixels can outweigh all others, such as the corner to which the strided shortcuts of a residual network lead.
    """
    strength = relevance.abs().flatten(1).quantile(1 - SATURATED, dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    return (relevance / strength[:, None, None]).clamp(-1, 1).numpy()


def _probabilities(model: nn.Module, study: Study) -> Tensor:
    """Test images × classes, on the CPU."""
    return logits(model, study.test_inputs, pairs=study.folded).softmax(1)


def _mistakes(study: Study, prefix: str, whole: Tensor, pruned: Tensor, most: int) -> dict[str, Any]:
    truth = study.test_labels.cpu()
    predicted = pruned.argmax(1)
    mistaken = (predicted != truth) & (whole.argmax(1) == truth)
    index = in_turn(truth, torch.where(mistaken, pruned.max(1).values, -1.0), most)
    return {
        f"{prefix}/count": int((predicted != truth).sum()),
        f"{prefix}/images": reduced(study.dataset.test_inputs[index.numpy()], LARGEST["wrong"]),
        f"{prefix}/labels": _names(study, truth[index]),
        f"{prefix}/predictions": _names(study, predicted[index]),
    }


def in_turn(labels: Tensor, values: Tensor, most: int) -> Tensor:
    """Places of up to `most` values ≥ 0: the largest of each label, in the order of labels, then the second largest ...

    Args:
        labels, values: N each.
    """
    of_label = [
        [int(place) for place in values.masked_fill(labels != label, -1).argsort(descending=True, stable=True)
         if labels[place] == label and values[place] >= 0][:most]
        for label in labels.unique()
    ]  # fmt: skip
    turns = [places[turn] for turn in range(most) for places in of_label if turn < len(places)]
    return torch.tensor(turns[:most], dtype=torch.long)


def reduced(images: np.ndarray, side: int) -> np.ndarray:
    """Images (N × H × W × C uint8) as they are, or with their longer side reduced to `side` pixels."""
    if len(images) == 0:
        return np.array(images)
    tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
    return _at_most(tensor, side).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def _at_most(images: Tensor, side: int) -> Tensor:
    longer = max(images.shape[-2:])
    if longer <= side:
        return images
    size = [max(1, round(length * side / longer)) for length in images.shape[-2:]]
    return functional.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def _names(study: Study, labels: Tensor) -> np.ndarray:
    return np.array([study.dataset.classes[int(label)] for label in labels], dtype=np.str_)
