"""Pruning a user's own network on a folder of images: rank, remove, compare, and write everything to one folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import references
from secateur.data.imagefolder import Files
from secateur.files import filling
from secateur.models import devices, hub, memory_format, profiling
from secateur.models.build import weights_source
from secateur.models.evaluation import Evaluation, evaluate, logits
from secateur.models.unpacked import unpacked
from secateur.models.weights import check_finite, counted, fit, read_checkpoint
from secateur.own import writing
from secateur.own.cutting import cut, reachable, repaired, scored, untouched
from secateur.own.images import Preparation, batch, preparation, splits
from secateur.own.reports import Change, Report, Tests, tally
from secateur.own.request import Request, check
from secateur.own.summary import Summary, Worth, write
from secateur.own.writing import About, Recipe
from secateur.portability import portable
from secateur.progress import track
from secateur.pruning.counting import count
from secateur.pruning.saved import build_unpruned
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.rank import Scoring
from secateur.relevance import folding


def prune_own_network(request: Request) -> Summary:
    """Remove the least important units of a trained network and write it, with a summary, to a folder.

    Writes what `writing.write` does (to be loaded by `secateur.load`, or by torch and timm alone), summary.json and
    summary.md. Images are prepared as timm prepares them for the architecture at evaluation.

    Raises SecateurError for anything that the user can put right; nothing is written then.
    """
    check(request)
    on = devices.chosen(request.device)
    scoring = _scoring(request)
    train, test = splits(Path(request.data), request.seed)
    settings = {**request.arguments, "num_classes": len(train.classes)}
    model = unpacked(build_unpruned(request.architecture, settings))
    load_weights(model, request.architecture, settings, request.weights)
    memory_format.lay_out(model, memory_format.chosen(model))
    model = model.to(on).eval()
    prepare, input_size = preparation(model, int(settings.get("in_chans", 3)), request.size)
    count(model, input_size)  # does it run at this size?
    groups = find_unit_groups(model, torch.zeros(1, *input_size), request.scope)
    selector = replace(request.selector, input_size=input_size)
    reachable(model, groups, request.rate, selector)
    draw = streams.derive(request.seed, "reference", "own")
    chosen = references.chosen(train.labels, request.samples_per_class, draw)
    images = batch([train.paths[index] for index in chosen], prepare).to(on)
    labels = torch.from_numpy(train.labels[chosen]).to(on)
    scores = scored(model, groups, images, labels, scoring)
    done = cut(model, groups, scores, request.rate, selector, images)
    pruned = repaired(model, done, groups, images, request.remedy)
    tests = _evaluate([model, pruned], test, prepare, on, request.batch_size)
    before, after = (_state(network, test, input_size) for network, test in zip((model, pruned), tests, strict=True))
    report = Report(
        criterion=request.criterion,
        rate=request.rate,
        budget=selector.budget,
        seed=request.seed,
        samples=len(images),
        input_size=input_size,
        units=tally(groups, done.selection),
        removed=done.selection,
        counts=Change(before.counts, after.counts),
        left_out=untouched(model, images[:1], request.scope),
        difference=done.difference,
        undecided=done.undecided,
        kept=done.kept,
        remedy=request.remedy,
        tests=Tests(*tests),
    )
    summary = Summary(
        architecture=request.architecture,
        criterion=request.criterion,
        samples_per_class=request.samples_per_class,
        rate=request.rate,
        budget=selector.budget,
        remedy=request.remedy,
        seed=request.seed,
        input_size=input_size,
        classes=train.classes,
        units=report.units,
        left_out=report.left_out,
        undecided=done.undecided._asdict(),
        difference_from_mask=done.difference,
        before=before,
        after=after,
    )
    with filling(request.output) as folder:
        recipe, about = Recipe(request.architecture, settings), _about(request, model, len(train.classes))
        files = writing.write(pruned, folder, recipe, report, request.export, about)
        write(summary, folder)
    portable.remove_others(request.output, files)
    return summary


def _scoring(request: Request) -> Scoring:
    return Scoring(
        criterion=registry.load(request.criterion, request.criteria),
        seed=streams.derive(request.seed, "rank", request.criterion),
        options=request.options,
        combine=request.combine,
        normalisation=request.normalisation,
        batch_size=request.batch_size,
    )


def _about(request: Request, model: nn.Module, classes: int) -> About:
    """What the model card says besides the report."""
    published = getattr(model, "pretrained_cfg", None) if "hub" in weights_source(str(request.weights)) else None
    return About(
        images=f"{request.samples_per_class} training images of each of {classes} classes",
        dataset=f"the test split of {Path(request.data).name}",
        licence=request.licence or (published or {}).get("license"),
        base_model=(published or {}).get("hf_hub_id"),
    )


def load_weights(model: nn.Module, architecture: str, arguments: Mapping[str, Any], weights: str | Path) -> None:
    """Load weights into `model`, strictly, head included: every tensor must be there and fit.

    Args:
        model: what `architecture` and `arguments` built.
        weights: "hub", "hub@<revision>", or a file; see `models.weights.read_checkpoint`.

    Raises SecateurError for weights that cannot be fetched or read, or that do not fit.
    """
    source = weights_source(str(weights))
    if "hub" in source:
        others = {key: value for key, value in arguments.items() if key != "num_classes"}
        state, _ = hub.fetch(architecture, others, source["hub"], "--weights")
    else:
        state, _ = counted(model, read_checkpoint(source["file"], "--weights"))
    hint = (
        "The architecture, its arguments and the number of classes (one folder each) must be those that the weights "
        "were trained with."
    )
    fit(model, state, f"--weights: those of {weights}", hint)
    check_finite(state, f"--weights: {weights}")


def _evaluate(
    networks: Sequence[nn.Module], images: Files, prepare: Preparation, on: torch.device, batch_size: int
) -> list[Evaluation]:
    """Evaluate a network and what was cut from it on the same images, each of which is read once and not kept."""
    outputs: list[list[Tensor]] = [[] for _ in networks]
    starts = range(0, len(images.paths), batch_size)
    pairs: dict[str, str] | None = None
    for start in track(starts, len(starts), "evaluating"):
        part = batch(images.paths[start : start + batch_size], prepare).to(on)
        pairs = folding.pairs(networks[0], part) if pairs is None else pairs
        for parts, network in zip(outputs, networks, strict=True):
            parts.append(logits(network, part, pairs=pairs))
    labels = torch.from_numpy(images.labels)
    return [evaluate(nn.Identity(), torch.cat(parts), labels, len(images.classes)) for parts in outputs]


def _state(model: nn.Module, test: Evaluation, input_size: tuple[int, ...]) -> Worth:
    return Worth(test, count(model, input_size), profiling.disk_bytes(model), profiling.latency(model, input_size))
