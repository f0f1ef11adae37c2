"""A backbone's weights: published ones, a file, or a pretraining of our own; and how a task takes them over."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import store
from secateur.errors import SecateurError
from secateur.files import write_json
from secateur.models import build, devices, evaluation, hub, inputs, memory_format, training, weights
from secateur.models.checkpoint import Checkpoint, fingerprint, of_data


def make(
    config: dict[str, Any],
    name: str,
    data: Path | None,
    state: Path,
    output: Path,
    about: Path,
    draw: int | None = None,
) -> str:
    """Write the weights of the backbone called `name` to `output`, and where they came from to `about`.

    Args:
        config: the run's resolved config.
        name: key of the backbone in the config.
        data: dataset to pretrain on, prepared for it, where its weights are `{pretrain: ...}`.
        state: folder for the state of an unfinished pretraining, from which a killed job goes on.
        output: written: safetensors, seed 0, float32, with the head of the source task.
        draw: which of several pretrainings of this backbone, where the config lets it vary from seed to seed.
        about: written: JSON with `source` (hub, file or pretrain) and what pins it: `sha256`, `repository` and
            `revision`; `dataset`, `accuracy` and the `steps` of the training; what was `tolerated` to read a file.

    Returns:
        One line that says what it is.
    """
    backbone = config["backbones"][name]
    if "pretrain" in backbone["weights"]:
        if data is None:
            raise SecateurError(f"backbone '{name}' is pretrained: give the folder of its dataset as --data.")
        tensors, origin = pretrain(config, name, data, state, draw)
        line = f"{name} on {origin['dataset']}: test accuracy {origin['accuracy']:.3f} (n = {origin['test_samples']})"
    elif draw is not None:
        raise SecateurError(f"--draw: the weights of backbone '{name}' are given, so there is one draw of them.")
    else:
        key = f"backbones.{name}.weights"
        tensors, origin = published(backbone["architecture"], backbone["arguments"], backbone["weights"], key)
        line = f"{name} from {origin.get('repository') or origin['file']}, SHA-256 {origin['sha256'][:16]}"
        if origin.get("asked") == build.MAIN:
            line += f"; to pin what the hub holds today write weights: hub@{origin['revision']}"
    weights.save(output, {0: tensors})
    write_json(about, origin | {"backbone": name, "architecture": backbone["architecture"]})
    _state(state, name, draw).unlink(missing_ok=True)
    return line


def _state(folder: Path, name: str, draw: int | None) -> Path:
    return folder / f"{name}{'' if draw is None else f'-{draw}'}.pt"


def pretrain(
    config: dict[str, Any], name: str, data: Path, state: Path, draw: int | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train a backbone from scratch on its source dataset, prepared in `data`; its weights, and how good they are.

    The accuracy on the source's test split is told to the reader; nothing is decided by it.
    """
    on = devices.chosen(config["device"])
    dataset = store.load(data)
    numbers = () if draw is None else (draw,)
    own = None if draw is None else streams.derive(config["run_seed"], "initialisation", name, draw)
    network = fresh(config, name, dataset, own).to(on)
    images = inputs.images(dataset, "train", on)
    labels = inputs.labels(dataset.train_labels, on)
    seed = streams.derive(config["run_seed"], "pretrain", name, *numbers)
    recipe = config["training"]["pretrain"]
    whole = json.dumps([config["backbones"][name], recipe, seed, str(on)], sort_keys=True)
    checkpoint = Checkpoint(_state(state, name, draw), fingerprint([whole, of_data(data)]))
    training.train(network, images, labels, recipe, seed, checkpoint=checkpoint)
    measured = evaluation.evaluate(
        network,
        inputs.images(dataset, "test", on),
        inputs.labels(dataset.test_labels, on),
        len(dataset.classes),
    )
    steps = recipe["epochs"] * len(inputs.equal_batches(len(labels), recipe["batch_size"]))
    about = {"source": "pretrain", "dataset": dataset.name, "steps": steps}
    return network.state_dict(), about | {"accuracy": measured.accuracy, "test_samples": measured.samples}


def published(
    architecture: str, arguments: dict[str, Any], source: dict[str, str], key: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights from the hub or from a file, checked against the architecture, with their own head and channels.

    Args:
        architecture: timm's name.
        arguments: further arguments of timm.create_model.
        source: {"hub": <revision>} or {"file": <path>}.
        key: the option or config key behind it, for errors.

    Returns:
        The state dict in float32, and where it came from; see `make`.

    Raises:
        SecateurError: what `hub.fetch` and `weights.read_checkpoint` raise, and a file with tensors missing, surplus or
            of another shape. Of the file, the number of classes and of image channels may be any.
    """
    if "hub" in source:
        return hub.fetch(architecture, arguments, source["hub"], key)
    path = Path(source["file"])
    checkpoint = weights.read_checkpoint(path, key)
    backbone = {"architecture": architecture, "arguments": arguments}
    network = build.create(backbone, 2, 3, seed=0)
    state, tolerated = weights.counted(network, checkpoint)
    heads, stems = build.head_prefixes(network), build.input_layers(network)
    classes = next((len(state[f"{head}weight"]) for head in heads if f"{head}weight" in state), 0)
    channels = next((state[f"{stem}.weight"].shape[1] for stem in stems if f"{stem}.weight" in state), 3)
    network = build.create(backbone, classes or 2, channels, seed=0)
    headless = {name: value for name, value in network.state_dict().items() if name.startswith(heads)}
    hint = f"The file must hold weights of timm's {architecture} with these arguments; its head may have any size."
    weights.fit(network, state if classes else headless | state, f"{key}: the weights in {path}", hint)
    about = {"source": "file", "file": str(path), "sha256": weights.sha256(path), "tolerated": tolerated}
    return network.state_dict(), about


def take_over(network: nn.Module, path: Path) -> None:
    """Load a backbone's weights, as `make` wrote them, into a task's network: all but the head, strictly.

    Where the task's images have another number of channels, the first convolution is adapted as timm does it: for
    one channel its weights are summed over the source's channels; for more they are repeated, and scaled so that an
    image with equal channels gives the same signal.
    """
    from timm.models import adapt_input_conv

    own = network.state_dict()
    heads = build.head_prefixes(network)
    state = {name: value for name, value in weights.load(path).items() if not name.startswith(heads)}
    state |= {name: value for name, value in own.items() if name.startswith(heads)}
    for name in (f"{layer}.weight" for layer in build.input_layers(network)):
        if name in state and state[name].dim() == 4 and state[name].shape[1] != own[name].shape[1]:
            state[name] = adapt_input_conv(own[name].shape[1], state[name], base_chans=state[name].shape[1])
    weights.fit(network, state, f"{path}: the weights")


def fresh(config: dict[str, Any], name: str, dataset: store.Dataset, seed: int | None = None) -> nn.Module:
    """The backbone with random weights and a head for `dataset`, on the CPU, in its memory format.

    `seed` is that of the weights; the backbone's own, where there is none.
    """
    entry = config["backbones"][name]
    seed = streams.derive(config["run_seed"], "initialisation", name) if seed is None else seed
    network = build.create(entry, len(dataset.classes), dataset.train_inputs.shape[-1], seed)
    memory_format.lay_out(network, memory_format.chosen(network, entry["memory_format"]))
    return network
