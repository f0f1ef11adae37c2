"""Weights of several seeds of one network in one safetensors file: tensors "<seed>/<name>"."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.files import replacing


def save(path: str | Path, states: dict[int, dict[str, Tensor]]) -> None:
    """Write seed → state dict to `path`, whole or not at all."""
    tensors = {
        f"{seed}/{name}": tensor.detach().cpu().contiguous()
        for seed, state in states.items()
        for name, tensor in state.items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def load_into(network: nn.Module, path: str | Path, seed: int = 0, skip: str | None = None) -> None:
    """Load one seed's weights into `network`, strictly: every tensor must be there and fit.

    Args:
        network: receives the weights.
        path: file written by `save`.
        seed: which of its states.
        skip: prefix of tensors that keep their own values (the head, when a backbone is transferred).

    Raises:
        SecateurError: an unreadable file, or tensors that are missing, surplus or of another shape (all are listed).
    """
    prefix = f"{seed}/"
    try:
        with safe_open(path, framework="pt") as opened:
            names = [name for name in opened.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            state = {name.removeprefix(prefix): opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise SecateurError(f"{path}: not a readable weights file ({error}). Remove it and run again.") from None
    if skip is not None:
        own = network.state_dict()
        state = {name: value for name, value in state.items() if not name.startswith(skip)}
        state |= {name: value for name, value in own.items() if name.startswith(skip)}
    problems = misfits(network, state)
    if problems:
        raise SecateurError(f"{path}: the weights of seed {seed} do not fit the network: {'; '.join(problems)}.")
    network.load_state_dict(state)


def misfits(network: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """What keeps `state` from being loaded into `network` strictly: missing and surplus tensors, and wrong shapes."""
    own = network.state_dict()
    return (
        [f"missing {name}" for name in own if name not in state]
        + [f"surplus {name}" for name in state if name not in own]
        + [
            f"{name} has shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ]
    )
