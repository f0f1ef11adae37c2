"""The model card of a pruned network: README.md in the Hugging Face hub's format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secateur.files import write_text

NAME = "README.md"
UNKNOWN_LICENCE = "unknown"
UNTRAINED = "Nothing was trained afterwards."
TRAINED = "Its weights have changed since: numbers “after” are those of the network as it was pruned."


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy of the network before and after, 0…1, and on which images."""

    before: float
    after: float
    samples: int
    dataset: str


@dataclass(frozen=True)
class Facts:
    """What a card says of a network."""

    architecture: str
    criterion: str
    asked: str
    """What was to be removed, in words."""
    images: str
    """On which images it was ranked, in words."""
    rows: list[tuple[str, str, str, str]]
    """What is compared: its name, before, after, and how much is left."""
    units: dict[str, dict[str, Any]]
    """Group → `kind`, units `at_first` and `removed`."""
    files: list[str]
    """Those that lie beside the card."""
    input_size: tuple[int, ...]
    accuracy: Accuracy | None = None
    licence: str | None = None
    """Of the weights, as the hub names licences."""
    base_model: str | None = None
    """The hub's name of the network before."""
    remedy: str = ""
    """What repaired it without training, on the same images."""
    trained: bool = False
    """Whether its weights have changed since it was pruned."""


def write(facts: Facts, folder: str | Path) -> str:
    """Write README.md to `folder`; returns its name."""
    write_text(Path(folder) / NAME, f"---\n{_front(facts)}\n---\n\n{_text(facts)}")
    return NAME


def _front(facts: Facts) -> str:
    """The card's head, as the hub's own library writes it."""
    from huggingface_hub import EvalResult, ModelCardData

    results = None
    if facts.accuracy is not None and not facts.trained:
        results = [
            EvalResult(
                task_type="image-classification",
                dataset_type="image-folder",
                dataset_name=facts.accuracy.dataset,
                metric_type="accuracy",
                metric_name="top-1 accuracy",
                metric_value=round(facts.accuracy.after, 6),
            )
        ]
    data = ModelCardData(
        license=facts.licence or UNKNOWN_LICENCE,
        library_name="secateur",
        tags=["image-classification", "timm", "pruning"],
        base_model=facts.base_model,
        model_name=f"{facts.architecture}, pruned" if results else None,
        eval_results=results,
        pipeline_tag="image-classification",
    )
    return str(data.to_yaml()).strip()


def _text(facts: Facts) -> str:
    size = " × ".join(map(str, facts.input_size))
    lines = [
        f"# {facts.architecture}, pruned by {facts.criterion}",
        "",
        f"A {facts.architecture} without its least important units: {facts.asked} removed, ranked by the criterion "
        f"{facts.criterion} on {facts.images}. {_repaired(facts)}{_later(facts)} It is an ordinary network "
        f"with smaller layers, for images of {size}.",
        "",
        "| | before | after | left |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in facts.rows),
        "",
        *_measured(facts),
        "## How to load it",
        "",
        "With torch and timm alone, in this folder:",
        "",
        "```python",
        "from load import load",
        "",
        "model = load()",
        "```",
        "",
        "With Secateur: `secateur.load(folder)`.",
        "",
    ]
    if "timm.txt" in facts.files:
        lines += [
            "By timm itself:",
            "",
            "```python",
            "import json",
            "import timm",
            "from safetensors.torch import load_file",
            "from timm.models._prune import adapt_model_from_string",
            "",
            'about = json.load(open("network.json"))',
            'model = timm.create_model(about["architecture"], **about["arguments"])',
            'model = adapt_model_from_string(model, open("timm.txt").read().strip())',
            'model.load_state_dict(load_file("weights.safetensors"))',
            "```",
            "",
        ]
    exports = [name for name in facts.files if name.startswith("network.") and name != "network.json"]
    if exports:
        lines += [f"For other programs: {', '.join(f'`{name}`' for name in exports)}.", ""]
    lines += [
        "## What was removed",
        "",
        "| units of | at first | removed | kept |",
        "|---|---|---|---|",
        *(
            f"| {name} | {one['at_first']} | {one['removed']} | {one['at_first'] - one['removed']} |"
            for name, one in facts.units.items()
        ),
        "",
        "## Licence",
        "",
        f"Of the weights: {facts.licence}."
        if facts.licence
        else "Of the weights: not stated by who pruned them; it is that of the network that they come from"
        + (f" ({facts.base_model})." if facts.base_model else "."),
        "",
    ]
    return "\n".join(lines)


def _later(facts: Facts) -> str:
    return TRAINED if facts.trained else UNTRAINED


def _repaired(facts: Facts) -> str:
    return f"Then it was repaired on the same images by the remedy {facts.remedy}. " if facts.remedy else ""


def _measured(facts: Facts) -> list[str]:
    if facts.accuracy is None:
        return ["Its accuracy was not measured when it was pruned.", ""]
    return [
        f"Accuracy on {facts.accuracy.samples} images of {facts.accuracy.dataset}: {facts.accuracy.before:.4f} before, "
        f"{facts.accuracy.after:.4f} after.",
        "",
    ]
