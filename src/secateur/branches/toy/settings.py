"""Settings of the 2-D study: defaults (the paper's grid), checks, and which criteria run with which options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from secateur.branches.toy.mlp import (
    HIDDEN_LAYERS,
    KINDS_OF_STEPS,
    PUBLISHED_ACCURACY,
    PUBLISHED_STEPS,
    STEPS,
    VARIANTS,
)
from secateur.errors import SecateurError
from secateur.ranking import registry

REFERENCES = ("generated", "training")
"""Where reference samples come from: `generated` afresh, evenly spaced along the curves, as the authors' code did; or
drawn at random from the `training` set, as everywhere else in this benchmark."""

AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "weight": {"options": {}, "normalisation": "sum"},
    "gradient": {"options": {}, "normalisation": "l2"},
    "taylor": {"options": {}, "normalisation": "l2"},
    "lrp": {"options": {"start": "logit"}, "normalisation": "sum"},
}
"""What the authors' code of this study did where the config says nothing else: relevance starts at the true class's
logit, and relevance and weights are divided by their sum in each layer (for conserved relevance that sum is the same in
every layer, so it is no normalisation); gradient and Taylor by their Euclidean norm. The paper's text says l2 for
weight."""


WHOLE = (
    "model_seeds", "repetitions", "training_repetitions", "unseen_samples",
    "curve_samples_per_class", "curve_repetitions", "boundary_samples_per_class",
)  # fmt: skip
"""Settings that are one whole number, at least 1."""


@dataclass(frozen=True)
class ToyCriterion:
    """A criterion of the study: its name in the tables, the loaded file, its options and its normalisation."""

    name: str
    file: registry.Criterion
    options: dict[str, Any]
    normalisation: str


@dataclass(frozen=True)
class Settings:
    """The study's settings; the defaults are the paper's grid.

    variants: some of "authors", "text" (see `mlp`).
    references: some of "generated", "training".
    steps: some of "fitted", "published" (see `mlp`); with the published ones only the published cells are measured: the
        variant "authors" (the first, where that is left out) and the first of `references`.
    model_seeds: number of trained networks of each variant.
    samples_per_class: reference samples per class.
    repetitions, training_repetitions: draws of reference samples per cell, "generated" and from the "training" set.
    removed: hidden neurons removed at once, in the main table.
    unseen_samples: how many of the unseen samples are evaluated on, evenly spaced among them (the authors took 500).
    noise_sigmas: standard deviations of the noise added to the unseen samples.
    rates: shares of the hidden neurons removed, in the curves (may be empty), for the first of `references` only.
    curve_samples_per_class, curve_repetitions: reference samples and draws of the curves.
    boundary_samples_per_class, boundary_grid: reference samples and points along the longer side of the pictures.
    overlap_sizes: lengths k of the first and last k neurons whose overlap is measured.
    hidden: neurons of each of the three hidden layers.
    target_accuracy: on the training set, before pruning; None takes the published one of the dataset.
    training_steps: of one cycle of the fitted steps, or in all of the published ones; None takes the dataset's own
        number, or the published one.
    criteria_path: further folders with criterion files.
    """

    variants: tuple[str, ...] = VARIANTS
    references: tuple[str, ...] = REFERENCES
    steps: tuple[str, ...] = ("fitted",)
    model_seeds: int = 5
    samples_per_class: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100, 200)
    repetitions: int = 50
    training_repetitions: int = 10
    removed: int = 1000
    unseen_samples: int = 500
    noise_sigmas: tuple[float, ...] = (0.0, 0.01, 0.1, 0.3)
    rates: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    curve_samples_per_class: int = 10
    curve_repetitions: int = 5
    boundary_samples_per_class: int = 5
    boundary_grid: int = 200
    overlap_sizes: tuple[int, ...] = (125, 250, 500, 1000)
    hidden: int = 1000
    target_accuracy: float | None = None
    training_steps: int | None = None
    criteria_path: tuple[str, ...] = ()

    @property
    def published_variants(self) -> tuple[str, ...]:
        """The variant that the published figures are of; the first, where it is left out."""
        return ("authors",) if "authors" in self.variants else self.variants[:1]

    @property
    def units(self) -> int:
        """Number of prunable neurons."""
        return len(HIDDEN_LAYERS) * self.hidden

    def draws(self, references: str) -> int:
        """Draws of reference samples per cell of the main table."""
        return self.repetitions if references == "generated" else self.training_repetitions

    def is_first(self, references: str) -> bool:
        """Whether the curves are measured with these references."""
        return references == self.references[0]


def read_settings(given: Mapping[str, Any]) -> Settings:
    """`given` (keys of Settings, lists for tuples) over the defaults, checked.

    Raises:
        SecateurError: an unknown key, or a value outside its range; the message says which are allowed.
    """
    known = [entry.name for entry in fields(Settings)]
    for key in given:
        if key not in known:
            raise SecateurError(f"toy: unknown setting '{key}'; known are {', '.join(known)}.")
    values: dict[str, Any] = {}
    for key, value in given.items():
        wanted = isinstance(getattr(Settings, key, ()), tuple)
        if wanted != isinstance(value, list | tuple):
            raise SecateurError(f"toy: '{key}' is {value!r}; {'a list' if wanted else 'one value'} is needed.")
        values[key] = tuple(value) if wanted else value
    settings = Settings(**values)
    _choice("variants", settings.variants, VARIANTS)
    _choice("references", settings.references, REFERENCES)
    _choice("steps", settings.steps, KINDS_OF_STEPS)
    units = settings.hidden * len(HIDDEN_LAYERS) if isinstance(settings.hidden, int) else 0
    least = {"boundary_grid": 2, "hidden": 2}
    for key in (*WHOLE, *least):
        _whole(key, [getattr(settings, key)], least.get(key, 1))
    if settings.training_steps is not None:
        _whole("training_steps", [settings.training_steps], 2)
    if not settings.samples_per_class:
        raise SecateurError("toy: 'samples_per_class' is empty; at least one number is needed.")
    _whole("samples_per_class", settings.samples_per_class, 1)
    # A neuron stays in every layer, so this many can go at most.
    most = units - len(HIDDEN_LAYERS)
    _whole("removed", [settings.removed], 1, most)
    _whole("overlap_sizes", settings.overlap_sizes, 1, units)
    _within("rates", settings.rates, 1 / units, most / units)
    _within("noise_sigmas", settings.noise_sigmas, 0, float("inf"))
    if settings.target_accuracy is not None:
        _within("target_accuracy", [settings.target_accuracy], 0, 1)
    return settings


def read_criteria(criteria: Sequence[str | Mapping[str, Any]], folders: Sequence[str] = ()) -> list[ToyCriterion]:
    """The criteria to run, loaded.

    Args:
        criteria: names, or entries with `name` and, where wanted, `criterion` (the file's name, if another), `options`
            and `normalisation`. What an entry leaves out is as in the authors' code for the four published criteria,
            and as the criterion's file says for others.
        folders: further folders with criterion files.

    Raises:
        SecateurError: an unknown criterion, option or normalisation, or a name given twice.
    """
    chosen: list[ToyCriterion] = []
    for item in criteria:
        entry = {"name": item} if isinstance(item, str) else dict(item)
        name = str(entry["name"])
        file = registry.load(str(entry.get("criterion") or name), list(folders))
        published = AS_PUBLISHED.get(name, {}) if file.name == name else {}
        wanted: dict[str, Any] = entry.get("options") or published.get("options", {})  # type: ignore[assignment]
        options = registry.with_options(file, wanted)
        normalisation = entry.get("normalisation") or published.get("normalisation", file.normalisation)
        if normalisation not in registry.NORMALISATIONS:
            raise SecateurError(
                f"criterion '{name}': normalisation {normalisation!r}; allowed: {', '.join(registry.NORMALISATIONS)}."
            )
        if name in [other.name for other in chosen]:
            raise SecateurError(f"toy: criterion '{name}' is named twice. Give one of the entries another name.")
        chosen.append(ToyCriterion(name, file, options, normalisation))
    if not chosen:
        raise SecateurError("toy: no criteria are given; at least one is needed.")
    return chosen


def target_and_steps(dataset: str, settings: Settings, kind: str) -> tuple[float | None, int]:
    """Accuracy to train to, in (0, 1], or None for published steps; and steps of a training cycle for `dataset`."""
    if kind == "published":
        return None, settings.training_steps or PUBLISHED_STEPS
    target = settings.target_accuracy or PUBLISHED_ACCURACY[dataset]
    return target, settings.training_steps or STEPS[dataset]


def _choice(key: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    if not values or any(value not in allowed for value in values):
        raise SecateurError(f"toy: '{key}' is {list(values)}; allowed is any of {', '.join(allowed)}.")


def _whole(key: str, values: Sequence[Any], least: int, most: int | None = None) -> None:
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
            above = f"{least} to {most}" if most else f"at least {least}"
            raise SecateurError(f"toy: '{key}' has {value!r}; allowed are whole numbers, {above}.")


def _within(key: str, values: Sequence[Any], least: float, most: float) -> None:
    for value in values:
        if not isinstance(value, int | float) or not least <= value <= most:
            raise SecateurError(f"toy: '{key}' has {value!r}; allowed are numbers from {least:g} to {most:g}.")
