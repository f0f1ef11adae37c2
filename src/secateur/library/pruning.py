"""`secateur.rank`, `secateur.prune` and `secateur.units`."""

from typing import Any, Unpack

import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.errors import InputError
from secateur.library.asking import (
    BATCH_SIZE,
    CriterionLike,
    PruneSettings,
    RandomState,
    RankSettings,
    Reference,
    check_classes,
    check_model,
    check_settings,
    classes_of,
    criterion_of,
    home,
    in_range,
    reference,
    seed_of,
)
from secateur.library.origin import Origin, fingerprint, origin_of
from secateur.library.results import Ranking, Units
from secateur.library.samples import Inputs, source
from secateur.models.evaluation import evaluate, logits
from secateur.own.cutting import cut, reachable, repaired, scored, untouched
from secateur.own.reports import Change, Report, Tests, tally
from secateur.progress import track
from secateur.pruning.counting import count
from secateur.pruning.selection import Selector
from secateur.pruning.units import UnitGroup, find_unit_groups
from secateur.ranking.rank import Scoring
from secateur.ranking.registry import Criterion
from secateur.relevance import folding
from secateur.repair import NONE
from secateur.repair import registry as remedies

SCOPE = "signal"


def rank(
    model: nn.Module,
    images: Any = None,
    labels: Any = None,
    criterion: CriterionLike = "lrp",
    *,
    random_state: RandomState = 0,
    **settings: Unpack[RankSettings],
) -> Ranking:
    """Score what can be removed from a network: filters, neurons, residual channels; higher = more important.

    Args:
        model: a classifier, images → N × classes. It is left as it was, to the bit: weights, buffers, modes.
        images: the reference images: a tensor N × channels × height × width as the network expects it, a folder of
            one folder a class, a dataset (of torchvision, of Hugging Face), a DataLoader, or a list of pictures. Bytes
            and pictures are prepared as timm prepares them for the network. A criterion that looks at weights alone
            needs none.
        labels: one class index (0, 1, …) an image; not needed where the images bring them.
        criterion: a name (`secateur criteria` lists them) or a function `score(network, *, options…)`.
        random_state: seed of a random criterion and of `samples_per_class`, as scikit-learn has it.
        settings: see `secateur.RankSettings`.

    Returns:
        A mapping of unit group → scores (float64, one a unit).

    Raises:
        SecateurError: what cannot be used, in one sentence; a ValueError too where it is an argument.
    """
    model = check_model(model)
    check_settings(settings, RankSettings)
    loaded = criterion_of(criterion, settings.get("criteria_path", ()))
    seed = seed_of(random_state)
    given = reference(model, images, labels, settings, seed, loaded.needs)
    groups = find_unit_groups(model, given.images[:1], _scope(settings))
    return _ranked(model, groups, given, _scoring(loaded, settings, seed), settings, seed)


def prune(
    model: nn.Module,
    images: Any = None,
    labels: Any = None,
    rate: float = 0.3,
    *,
    criterion: CriterionLike | Ranking = "lrp",
    remedy: str = NONE,
    random_state: RandomState = 0,
    **settings: Unpack[PruneSettings],
) -> nn.Module:
    """A smaller network: a copy of `model` without its least important units. Nothing is trained.

    Args:
        model, images, labels, random_state: as of `secateur.rank`. The model stays as it is.
        rate: share of the units to remove, at least 0 and below 1; or of what the setting `budget` names.
        criterion: as of `secateur.rank`, or a ranking of this very network, to prune it at several rates; then
            `images` only show that the new network computes what it must.
        remedy: "none", or what repairs the network afterwards, on the same images and without labels or training:
            "batch_norm", "bias" or "least_squares" (docs/remedies.md).
        settings: see `secateur.PruneSettings`; with `test`, images to measure accuracy on, before and after.

    Returns:
        An ordinary network with smaller layers, in evaluation mode, no masks and no hooks. Its `report` says what was
        removed (`units`, `removed`), what that saved (`counts`) and cost (`tests`); `secateur.save` writes it.

    Raises:
        SecateurError: as of `secateur.rank`; also a rate that cannot be reached.
    """
    model = check_model(model)
    check_settings(settings, PruneSettings)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise InputError(f"rate: {rate!r}; a fraction of at least 0 and below 1 is needed.")
    remedies.check(remedy)
    seed = seed_of(random_state)
    known = criterion if isinstance(criterion, Ranking) else None
    loaded = None if known is not None else criterion_of(criterion, settings.get("criteria_path", ()))  # type: ignore[arg-type]
    given = reference(model, images, labels, settings, seed, () if loaded is None else loaded.needs)
    input_size = tuple(given.images.shape[1:])
    groups = list(known.units) if known is not None else find_unit_groups(model, given.images[:1], _scope(settings))
    selector = Selector(
        settings.get("scheme", "global"), settings.get("min_units", 1), settings.get("budget", "units"), input_size
    )
    reachable(model, groups, rate, selector)
    ranking = known or _ranked(model, groups, given, _scoring(loaded, settings, seed), settings, seed)  # type: ignore[arg-type]
    before = origin_of(model)
    done = cut(model, groups, ranking.scores, rate, selector, given.images, before.kept)
    if remedy != NONE and images is None:
        raise InputError(f"images: there are none, and the remedy {remedy!r} looks at images.")
    pruned: Any = repaired(model, done, groups, given.images, remedy).eval()
    pruned.report = Report(
        criterion=ranking.criterion,
        rate=rate,
        budget=selector.budget,
        seed=ranking.seed,
        samples=ranking.samples,
        input_size=input_size,
        units=tally(groups, done.selection),
        removed=done.selection,
        counts=Change(count(model, input_size), count(pruned, input_size)),
        left_out=ranking.units.left_out,
        difference=done.difference,
        undecided=done.undecided,
        kept=done.kept,
        remedy=remedy,
        tests=_tests(model, pruned, settings["test"], settings) if "test" in settings else None,
    )
    pruned.origin = Origin(before.architecture, before.arguments, done.kept, fingerprint(pruned))
    return pruned


def units(model: nn.Module, image: Any = None, *, scope: str = SCOPE, size: int | None = None) -> Units:
    """What can be removed from a network, and why the rest cannot.

    Args:
        model: a network; it is neither run on real values nor changed.
        image: one image or several, of which only the size matters; without it, the size that a timm network states.
        scope, size: as of `secateur.RankSettings`.
    """
    model = check_model(model)
    if image is None:
        example = reference(model, None, None, {"size": size}, 0, ()).images
    else:
        inputs = Inputs(model, size)
        several = isinstance(image, Tensor) and image.ndim == 4
        on, dtype = home(model)
        example = torch.stack([inputs(one) for one in (image[:1] if several else [image])]).to(device=on, dtype=dtype)
        classes_of(model, example)
    return Units(find_unit_groups(model, example, scope), untouched(model, example, scope))


def _scope(settings: Any) -> str:
    return settings.get("scope", SCOPE)


def _scoring(loaded: Criterion, settings: Any, seed: int) -> Scoring:
    return Scoring(
        criterion=loaded,
        seed=streams.derive(seed, "rank", loaded.name),
        options=settings.get("options") or {},
        combine=settings.get("combine"),
        normalisation=settings.get("normalisation"),
        batch_size=settings.get("batch_size", BATCH_SIZE),
    )


def _ranked(
    model: nn.Module, groups: list[UnitGroup], given: Reference, scoring: Scoring, settings: Any, seed: int
) -> Ranking:
    scores = scored(model, groups, given.images, given.labels, scoring)
    samples = len(given.images) if "samples" in scoring.criterion.needs else 0
    offered = Units(groups, untouched(model, given.images[:1], _scope(settings)))
    return Ranking(scoring.criterion.name, scores, offered, samples, seed)


def _tests(model: nn.Module, pruned: nn.Module, test: Any, settings: Any) -> Tests:
    """Both networks on the test images, each of which is read once and not kept."""
    images, labels = test if isinstance(test, tuple) and len(test) == 2 else (test, None)
    given = source(images, labels, Inputs(model, settings.get("size")))
    on, dtype = home(model)
    size = settings.get("batch_size", BATCH_SIZE)
    outputs: list[list[Tensor]] = [[], []]
    truths: list[Tensor] = []
    pairs: dict[str, str] | None = None
    modes = [(module, module.training) for module in model.modules()]
    steps = None if given.count is None else -(-given.count // size)
    try:
        for part, truth in track(given.batches(None, size), steps, "testing"):
            if truth is None:
                raise InputError("test: its images have no labels; give a pair (images, labels).")
            truths.append(truth)
            part = part.to(device=on, dtype=dtype)
            pairs = folding.pairs(model, part) if pairs is None else pairs
            for network, kept in zip((model, pruned), outputs, strict=True):
                kept.append(logits(network, part, pairs=pairs))
    finally:
        for module, training in modes:
            module.training = training
    classes = outputs[0][0].shape[1]
    if labels is None:
        check_classes(given, classes)
    truth = in_range(torch.cat(truths), classes)
    before, after = (evaluate(nn.Identity(), torch.cat(kept), truth, classes) for kept in outputs)
    return Tests(before, after)
