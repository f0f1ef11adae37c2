"""What a run has to compute, counted from its config before anything runs: images through networks, stage by stage.

Everything is counted in forward passes of one image through the unpruned network. A training step on an image is three
of them (forward, gradients of signals, gradients of weights), a criterion's pass as many as `passes_of` says. A network
with a share r of its units removed is (1 - r)² of one, as if every layer had lost the same share of its inputs and
outputs; or, as the other bound, a whole one, since small networks take as long with half of their channels.

Beside the images, every network that is ranked, pruned or measured costs something of its own, however few images it
sees: copied, traced, its units removed. Of small networks on few images that is most of the time. No torch: the
workflow itself reads this, for the running times that it asks a cluster for.
"""

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from secateur.config import is_rule, parts
from secateur.config_datasets import datasets
from secateur.data.references import ALL
from secateur.files import read_json
from secateur.ranking.registry import parsed, source_of
from secateur.repair import samples_tried, tried
from secateur.varying import blocks, draws_of

TRAINING = 3
"""Forward passes that a training step on an image is worth."""
RANKING = 2
"""Prunings that it is worth to trace a network for ranking and fold its batch-norm, beside the images."""
WARM_UP = 3
"""Passes before `latency` measures; see `pruning.counting.latency`."""


class Sizes(NamedTuple):
    """Images for training and for testing, and classes, of a dataset."""

    train: int
    test: int
    classes: int


class Speed(NamedTuple):
    """What a device does with a network: multiply-accumulates an image, and forward passes of one image a second."""

    macs: int
    forward: float
    """When evaluating."""
    training: float
    """In training steps, each counted as `TRAINING` passes."""
    network: float = 0.0
    """Seconds that pruning a network takes beside its images."""


@dataclass(frozen=True)
class Work:
    """What one stage of a study does over all its jobs, in forward passes of one image of the unpruned network."""

    stage: str
    study: str
    jobs: int
    forward: float
    """Without gradients of weights: evaluating, ranking, timing."""
    training: float
    """In training steps: `TRAINING` for each image."""
    networks: float = 0.0
    """Networks that are pruned or measured, each of them each time; a ranked one counts as `RANKING`."""

    def seconds(self, speed: Speed) -> float:
        """How long that takes, one job after the other."""
        return self.forward / speed.forward + self.training / speed.training + self.networks * speed.network


def sizes(config: dict[str, Any], dataset: str) -> Sizes | None:
    """Sizes of a dataset: from the data where they are made, else from its entry's `sizes`; None where neither is."""
    made = Path("data", dataset, "dataset.json")
    if made.exists():
        about = read_json(made)["class_sizes"]
        return Sizes(sum(about["train"]), sum(about["test"]), len(about["train"]))
    given = datasets(config)[dataset].get("sizes")
    return Sizes(**given) if given else None


def passes_of(entry: dict[str, Any], folders: list[str]) -> float | None:
    """Forward passes for each reference image that ranking by an entry of `criteria` costs; None where unknown.

    None without data, one with samples alone, two with gradients, three with relevance (docs/relevance.md has what
    was measured), two a step of integrated gradients, which mostly take twice as many steps once. The oracles remove
    every unit in turn, and what a Snakemake rule does is its own affair: unknown.
    """
    source = source_of(entry["criterion"], folders)
    if source.kind == "rule" or entry["criterion"] in ("oracle", "oracle_joint"):
        return None
    tree = parsed(source)
    needs: tuple[str, ...] = ("samples",)
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "NEEDS" for name in node.targets):
            try:
                needs = tuple(ast.literal_eval(node.value))
            except (ValueError, TypeError):  # computed: it cannot be known without running the file
                return None
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    if entry["criterion"] == "integrated_gradients":
        return 2.0 * 3 * entry["options"].get("steps", 16)
    if not needs:
        return 0.0
    return 3.0 if "relevance" in called else 2.0 if "gradients" in needs else 1.0


RETRAINING = ("retrain", "retrain_unpruned", "scratch")
"""Stages of the branch with retraining."""


def left(rate: float) -> float:
    """Share of a network's multiply-accumulates that is left with a share `rate` of its units removed: of one whose
    layers can all lose units, at both ends. `branches.throughput.left` knows the network itself."""
    return (1 - rate) ** 2


def whole(rate: float) -> float:
    """As `left`, where a pruned network takes as long as the unpruned one: the upper bound."""
    del rate
    return 1.0


def of_study(config: dict[str, Any], study: str, left: Callable[[float], float] = left) -> list[Work] | None:
    """What each stage of a study does, in the order of the stages; None where its dataset's sizes are not known.

    `left` says what a network costs with a share of its units removed, as a share of the unpruned one: `left`, `whole`.
    """
    images = sizes(config, config["studies"][study]["dataset"])
    if images is None:
        return None
    return [
        Work(stage, study, jobs, forward, training, networks)
        for stage, jobs, networks, forward, training in _stages(config, study, images, left)
        if config["retrain"]["run"] or stage not in RETRAINING
    ]


def of_backbone(config: dict[str, Any], backbone: str) -> Work | None:
    """The pretraining of a backbone (no work, where its weights are given); None where the sizes are not known."""
    source = config["backbones"][backbone]["weights"].get("pretrain")
    images = sizes(config, source) if source else Sizes(0, 0, 0)
    if images is None:
        return None
    epochs = config["training"]["pretrain"]["epochs"]
    jobs = len(draws_of(config, "pretraining")) if source else 1
    return Work("backbone", backbone, jobs, jobs * images.test, jobs * TRAINING * epochs * images.train)


def _stages(
    config: dict[str, Any], study: str, data: Sizes, left: Callable[[float], float]
) -> Iterator[tuple[str, int, float, float, float]]:
    """Stage, jobs, networks, forward passes and passes in training, of one study."""
    entries, further = config["criteria"], blocks(config)
    # Seeds that have everything, and with the further networks of `variance.draws`, which have no grid and no controls.
    own, seeds = config["seeds"], config["seeds"] + sum(map(len, further.values()))
    own_parts, all_parts = len(parts(config)), len(parts(config)) + len(further)
    jobs = len(entries) * all_parts
    held_out = config["training"]["validation"] * data.train
    trained_on = data.train - held_out

    recipe = config["studies"][study]["transfer"]
    cost, epochs = 1 if recipe["freeze"] else TRAINING, recipe["epochs"]
    if config["studies"][study]["head"] == "keep":
        epochs = 0
    yield "transfer", all_parts, seeds, seeds * epochs * held_out, cost * seeds * epochs * trained_on

    references = [data.train if n == ALL else n * data.classes for n in config["fewshot"]["samples_per_class"]]
    passes = {entry["name"]: passes_of(entry, config["criteria_path"]) or 0.0 for entry in entries}
    ranked = sum(passes.values())
    yield "rank", jobs, RANKING * seeds * len(entries) * len(references), seeds * ranked * sum(references), 0

    in_python = [entry for entry in entries if not is_rule(config, entry)]
    drawn = [n for n, count in zip(references, config["fewshot"]["samples_per_class"], strict=True) if count != ALL]
    if config["agreement"]["draws"] > 1 and drawn:
        draws = config["agreement"]["draws"]
        yield "redraw", len(in_python), RANKING * draws * len(in_python) * len(drawn), draws * ranked * sum(drawn), 0

    # Test images, and at most 256 training images in two modes (branches/measurements.py).
    measured = data.test + 2 * min(256, trained_on)
    yield "unpruned", all_parts, seeds, seeds * measured, 0

    # A data-free criterion gives the same networks for every number of reference samples: they are measured once.
    rates = sum(left(rate) for rate in config["fewshot"]["rates"])
    sweeps = sum(len(references) if passes[entry["name"]] else 1 for entry in entries)
    pruned = sweeps * len(config["fewshot"]["rates"])
    yield "fewshot", jobs, seeds * pruned, seeds * data.test * sweeps * rates, 0

    if remedies := tried(config, study):
        # Beside the test images a remedy passes its reference images through half of the network for every layer that
        # lost inputs; how many these are is not known beforehand.
        repaired = data.test * len(samples_tried(config)) * rates
        each = own * len(entries) * len(remedies)
        mended = each * len(samples_tried(config)) * len(config["fewshot"]["rates"])
        yield "repair", len(entries) * own_parts, mended, each * repaired, 0

    if "decompose" in config:
        settings = config["decompose"]
        # Each criterion's numbers by every shuffle, and its own order in layers that lose the same share; that share at
        # random is measured once for all criteria. A data-free criterion's networks are measured once.
        each = sum(len(settings["samples_per_class"]) if passes[entry["name"]] else 1 for entry in entries)
        networks = each * (settings["shuffles"] + 1) + settings["shuffles"]
        visited = data.test * sum(left(rate) for rate in settings["rates"])
        chosen = own * networks
        yield "decompose", len(entries) * own_parts, chosen * len(settings["rates"]), chosen * visited, 0

    if "grid" in config["fewshot"]:
        grid = config["fewshot"]["grid"]
        given = [grid[name] for name in ("filter_rates", "head_rates", "neuron_rates") if name in grid]
        both = [list(itertools.product(one, two)) for one, two in itertools.combinations(given, 2)]
        pairs = [pair for pair in max(both, key=len) if pair != (0, 0)]  # of three kinds at most so many
        # Of a convolutional network filters hold nearly all multiply-accumulates; neurons next to none.
        each = own * len(entries)
        visited = data.test * sum(left(one) for one, _ in pairs)
        yield "grid", len(entries) * own_parts, each * len(pairs), each * visited, 0

    forward = training = 0.0
    settings = config["retrain"]
    # After each round the training images once more, for batch-norm's statistics (not where a network has none).
    again = trained_on if settings["batch_norm"] == "reestimate" else 0
    for n in settings["samples_per_class"]:
        images = data.train if n == ALL else n * data.classes
        before = 0.0
        for rate in settings["rates"]:
            forward += left(before) * ranked * images + left(rate) * len(entries) * (measured + again)
            training += left(rate) * len(entries) * TRAINING * settings["finetune"]["epochs"] * trained_on
            before = rate
    # Each round ranks a network, removes units and measures it, on test and on training images in two modes.
    rounds = (RANKING + 2) * len(entries) * len(settings["rates"]) * len(settings["samples_per_class"])
    yield "retrain", jobs, seeds * rounds, seeds * forward, seeds * training

    if settings["controls"]["unpruned"]:
        rounds = len(settings["rates"]) * own
        trained = rounds * TRAINING * settings["finetune"]["epochs"] * trained_on
        yield "retrain_unpruned", own_parts, rounds, rounds * (measured + again), trained
    if settings["controls"]["scratch"]:
        backbone = config["backbones"][config["studies"][study]["backbone"]]
        source = sizes(config, backbone["weights"]["pretrain"]) if "pretrain" in backbone["weights"] else None
        first = config["training"]["pretrain"]["epochs"] * (source.train if source else 0)
        first += recipe["epochs"] * trained_on
        shapes = [(left(rate), number) for number, rate in enumerate(settings["rates"], 1)]
        each = len(entries) * len(settings["samples_per_class"]) * own
        seen = sum(share * (first + number * settings["finetune"]["epochs"] * trained_on) for share, number in shapes)
        yield (
            "scratch",
            len(entries) * own_parts,
            each * len(shapes),
            each * (measured + again) * sum(share for share, _ in shapes),
            each * TRAINING * seen,
        )

    timed = sum(passes[entry["name"]] for entry in in_python) + 3  # beside a forward and a gradient pass
    images = min(config["cost"]["samples"], data.train)
    repeats = config["cost"]["repeats"] + 1
    yield "cost", 1, repeats * len(in_python), repeats * timed * images, 0

    settings = config["latency"]
    networks = 1 + sum(left(rate) for rate in settings["rates"])
    timings = (settings["repeats"] + WARM_UP) * sum(settings["batches"])
    yield "latency", 1, len(entries) * (1 + len(settings["rates"])), len(entries) * networks * timings, 0

    # One network's mistakes and each criterion's, at one rate; the maps of a few images are next to nothing.
    share = 1 + len(entries) * left(config["gallery"]["rate"])
    yield "gallery", 1, 1 + len(entries), data.test * share, 0
