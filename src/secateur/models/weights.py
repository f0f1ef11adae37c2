"""Weights on disk: those of several seeds in one safetensors file ("<seed>/<name>"), and files that users bring."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from secateur import tensorfile
from secateur.errors import SecateurError
from secateur.models.unpacked import unpacked_names


def save(path: str | Path, states: dict[int, dict[str, Tensor]]) -> None:
    """Write seed → state dict to `path`, whole or not at all."""
    tensorfile.write(
        path, {f"{seed}/{name}": tensor for seed, state in states.items() for name, tensor in state.items()}
    )


def load(path: str | Path, seed: int = 0) -> dict[str, Tensor]:
    """One seed's state dict from a file written by `save`, empty where the file has none of that seed.

    Raises:
        SecateurError: an unreadable or damaged file.
    """
    prefix = f"{seed}/"
    tensors, _ = tensorfile.read(path, "weights file", lambda name: name.startswith(prefix))
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def load_into(network: nn.Module, path: str | Path, seed: int = 0) -> None:
    """Load one seed's weights from a file written by `save` into `network`, strictly: see `fit`."""
    fit(network, load(path, seed), f"{path}: the weights of seed {seed}")


def fit(network: nn.Module, state: dict[str, Tensor], what: str, hint: str = "") -> None:
    """Load `state` into `network`: every tensor must be there and fit. Its precision becomes the network's.

    Raises:
        SecateurError: "`what` do not fit the network" with a list of what is missing, surplus or of another shape (the
            first six, and how many more there are), and `hint` behind it.
    """
    state = unpacked_names(network, state)
    problems = misfits(network, state)
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise SecateurError(f"{what} do not fit the network: {shown}.{hint and ' ' + hint}")
    network.load_state_dict(state)


def misfits(network: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """What keeps `state` from being loaded into `network` strictly: missing and surplus tensors with their shapes, and
    wrong shapes."""
    own, state = network.state_dict(), unpacked_names(network, state)
    return (
        [f"missing {name} {tuple(own[name].shape)}" for name in own if name not in state]
        + [f"surplus {name} {tuple(state[name].shape)}" for name in state if name not in own]
        + [
            f"{name} has shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ]
    )


def check_finite(state: Mapping[str, Tensor], what: str) -> None:
    """Raise a SecateurError, which begins with `what`, where a tensor of a state dict holds NaN or infinity."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and (wrong := int((~torch.isfinite(tensor)).sum())):
            raise SecateurError(
                f"{what}: '{name}' holds {wrong} of {tensor.numel()} numbers that are NaN or infinite. A training that "
                "diverged leaves such weights: lower its learning rate, or take other weights."
            )


class ReadWeights(NamedTuple):
    """A state dict as others wrote it, and what was passed over to read it, in words."""

    state: dict[str, Tensor]
    tolerated: list[str]


WRAPPERS = ("state_dict", "model")
"""Keys under which checkpoints keep their state dict."""
PREFIXES = ("module.", "0/")
"""Before names: of parallel training, and of the one network of a backbone that a run has written."""
COUNTER = "num_batches_tracked"
"""Of batch-norm, a number that nothing here reads; PyTorch before 0.4.1 did not have it."""


def read_checkpoint(path: str | Path, key: str) -> ReadWeights:
    """The state dict in a weights file of the user's.

    safetensors, a run's own backbone among them, or torch.save of tensors (nothing else is unpickled), alone or under
    "state_dict" or "model", with or without the prefix "module." of parallel training. Any precision.

    Args:
        path: the file; whatever does not end in .safetensors is read by torch.load.
        key: the option or config key that named it, for the error.

    Raises:
        SecateurError: an unreadable file, or one without a state dict.
    """
    tolerated = []
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            stored: Any = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for foreign or truncated files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SecateurError(
            f"{key}: {path} cannot be read ({reason[:200]}). Needed is a safetensors file, or a state dict "
            "written by torch.save; a whole pickled network is not loaded, as it could run any code."
        ) from None
    for name in WRAPPERS:
        if isinstance(stored, dict) and isinstance(stored.get(name), dict):
            stored = stored[name]
            tolerated.append(f"the state dict is under the key '{name}'")
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise SecateurError(f"{key}: {path} holds no state dict (a dictionary of names and tensors).")
    state = {str(name): tensor for name, tensor in stored.items()}
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
            tolerated.append(f"names begin with '{prefix}'")
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in state.values() if tensor.is_floating_point()}
    if others := sorted(kinds - {"float32"}):
        tolerated.append(f"numbers are {' and '.join(others)}")
    return ReadWeights(state, tolerated)


def counted(network: nn.Module, checkpoint: ReadWeights) -> ReadWeights:
    """The checkpoint with the counters of batches that its batch-norms lack, where it has none at all."""
    own = {name: value for name, value in network.state_dict().items() if name.rpartition(".")[2] == COUNTER}
    if not own or any(name in checkpoint.state for name in own):
        return checkpoint
    return ReadWeights(checkpoint.state | own, [*checkpoint.tolerated, f"batch-norms have no {COUNTER}"])


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as model hubs state it."""
    with Path(path).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
