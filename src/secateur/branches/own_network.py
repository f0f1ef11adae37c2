"""Pruning a user's own network on a folder of images: rank, remove, compare, and write everything to one folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.branches.own_images import Preparation, batch, preparation, splits
from secateur.branches.own_request import check_numbers, check_output, check_words
from secateur.branches.own_summary import State, Summary, write
from secateur.data import references
from secateur.data.imagefolder import Files
from secateur.errors import SecateurError
from secateur.files import filling
from secateur.models import hub, inputs, memory_format
from secateur.models.build import weights_source
from secateur.models.evaluation import Evaluation, evaluate, logits
from secateur.models.weights import check_finite, fit, read_checkpoint
from secateur.progress import track
from secateur.pruning.counting import count, disk_bytes, latency
from secateur.pruning.duplication import duplicate
from secateur.pruning.masking import largest_difference
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.saved import build_unpruned, save
from secateur.pruning.selection import select
from secateur.pruning.units import analyse, find_unit_groups, in_scope, outside
from secateur.ranking import registry, ties
from secateur.ranking.rank import rank
from secateur.relevance import folding

LARGEST_DIFFERENCE = 1e-4  # from the masked network, relative to the largest output; rounding stays well below


def prune_own_network(
    *,
    architecture: str,
    weights: str | Path,
    data: Path,
    criterion: str,
    samples_per_class: int,
    rate: float,
    output: Path,
    arguments: Mapping[str, Any] | None = None,
    size: int | None = None,
    budget: str = "units",
    scheme: str = "global",
    scope: str = "signal",
    min_units: int = 1,
    combine: str | None = None,
    normalisation: str | None = None,
    options: dict[str, Any] | None = None,
    criteria: Iterable[str | Path] = (),
    seed: int = 0,
    device: str = "auto",
    batch_size: int = 64,
    overwrite: bool = False,
) -> Summary:
    """Remove the least important units of a trained network and write it, with a summary, to `output`.

    Args:
        architecture: timm's name (or "torchvision/<name>"); `arguments` go to the function that builds it.
        weights: its weights: a file (safetensors, or torch.save of tensors only), "hub" or "hub@<revision>".
        data: folder with train/ and test/ of one subfolder a class, or such a folder undivided (a fifth of each class,
            drawn by `seed`, is then the test split). Classes are numbered in the order of their names.
        criterion: a criterion's name; `criteria` are folders searched for it besides the built-in one, `options`
            its settings.
        samples_per_class: training images of each class that the criterion may look at.
        rate: share of the units (or of the `budget` "params" or "macs") to remove, at least 0 and below 1.
        size: side of the square input in pixels; without it, the architecture's own.
        seed: of the draw of reference images, of the split and of random criteria.
        budget, scheme, scope, min_units: as in `pruning.selection.select` and `pruning.units.find_unit_groups`.
        combine, normalisation: as in `pruning.scores.unit_scores`; where not given, the criterion's own.
        overwrite: write to `output` even if it holds something; other files in it stay.

    Writes `weights.safetensors` and `network.json` (to be loaded by `pruning.saved.load`), `summary.json` and
    `summary.md`. Images are prepared as timm prepares them for the architecture at evaluation.

    Raises SecateurError for anything that the user can put right; nothing is written then.
    """
    check_numbers(samples_per_class, rate, size, seed)
    check_words(budget, scope)
    check_output(Path(output), overwrite)
    on = inputs.device(device)
    found = registry.load(criterion, criteria)
    train, test = splits(Path(data), seed)
    settings = {**(arguments or {}), "num_classes": len(train.classes)}
    model = build_unpruned(architecture, settings)
    load_weights(model, architecture, settings, weights)
    memory_format.lay_out(model, memory_format.chosen(model))
    model = model.to(on).eval()
    prepare, input_size = preparation(model, int(settings.get("in_chans", 3)), size)
    count(model, input_size)  # does it run at this size?
    groups = find_unit_groups(model, torch.zeros(1, *input_size), scope)
    selecting: dict[str, Any] = {"scheme": scheme, "min_units": min_units, "budget": budget}
    selecting |= {"model": model, "input_size": input_size}
    select(groups, {group.name: torch.zeros(group.size) for group in groups}, rate, **selecting)  # can it be reached?
    chosen = references.chosen(train.labels, samples_per_class, streams.derive(seed, "reference", "own"))
    images = batch([train.paths[index] for index in chosen], prepare).to(on)
    labels = torch.from_numpy(train.labels[chosen]).to(on)

    scores = rank(
        model,
        found,
        groups,
        images,
        labels,
        seed=streams.derive(seed, "rank", criterion),
        options=options,
        combine=combine,
        normalisation=normalisation,
        batch_size=batch_size,
    )
    ties.check(f"criterion '{criterion}'", scores)
    selection = select(groups, scores, rate, **selecting)
    pruned = remove(model, groups, selection)
    difference = largest_difference(model, pruned, groups, selection, images[:4])
    if not difference <= LARGEST_DIFFERENCE:  # perhaps only rounding, in a network whose signals cancel: look closer
        doubles = duplicate(model, {}).double()
        cut = remove(doubles, groups, selection)
        difference = largest_difference(doubles, cut, groups, selection, images[:4].double())
    if not difference <= LARGEST_DIFFERENCE:
        raise SecateurError(
            f"{architecture}: the pruned network differs by {difference:.1e} from the whole one with the same units "
            "silent. Its forward pass does something that cannot be traced; nothing was written."
        )
    tests = _evaluate([model, pruned], test, prepare, on, batch_size)
    summary = Summary(
        architecture=architecture,
        criterion=criterion,
        samples_per_class=samples_per_class,
        rate=rate,
        budget=budget,
        seed=seed,
        input_size=input_size,
        classes=train.classes,
        units={group.name: {"at_first": group.size, "removed": len(selection[group.name])} for group in groups},
        left_out=_untouched(model, images[:1], scope),
        undecided=ties.undecided(groups, scores, selection, scheme, min_units)._asdict(),
        difference_from_mask=difference,
        before=_state(model, tests[0], input_size),
        after=_state(pruned, tests[1], input_size),
    )
    kept = remaining(all_channels(model), groups, selection)
    with filling(output) as folder:
        save(pruned, folder, architecture=architecture, arguments=settings, kept=kept)
        write(summary, folder)
    return summary


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
        state = read_checkpoint(source["file"], "--weights")
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
        for found, network in zip(outputs, networks, strict=True):
            found.append(logits(network, part, pairs=pairs))
    labels = torch.from_numpy(images.labels)
    return [evaluate(nn.Identity(), torch.cat(found), labels, len(images.classes)) for found in outputs]


def _state(model: nn.Module, test: Evaluation, input_size: tuple[int, ...]) -> State:
    return State(test, count(model, input_size), disk_bytes(model), latency(model, input_size))


def _untouched(model: nn.Module, example: Tensor, scope: str) -> dict[str, str]:
    """Layers of which nothing may go, each with the reason: those of no unit, and those outside the scope."""
    found = analyse(model, example)
    reasons = dict(found.left_out)
    for group in found.groups:
        reasons |= {layer: reason for layer, _ in group.producers if (reason := outside(group, scope))}
    for group in in_scope(found.groups, scope):
        reasons = {layer: reason for layer, reason in reasons.items() if layer not in dict(group.producers)}
    return {layer: reasons[layer] for layer in found.order if layer in reasons}
