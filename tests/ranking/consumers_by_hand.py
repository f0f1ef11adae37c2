"""Networks of every structure through which a unit is read, and what its consumers read, found by slow means."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from tests.pruning import networks
from torch import Tensor, nn

from secateur.pruning.units import UnitGroup, find_unit_groups, layers_of
from secateur.ranking.network import Network

STRUCTURES: dict[str, Callable[[], nn.Module]] = {
    "flattening": networks.chain,
    "residual sharing": networks.Residual,
    "gate, depthwise and grouped": networks.Gated,
    "concatenation": networks.Concatenated,
    "groups that widen and narrow": networks.Multiplied,
}


class Added(nn.Module):
    """A layer that is added to what it reads, strided and dilated readers behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.own = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding="same", dilation=2)
        self.strided, self.head = nn.Conv2d(4, 5, 3, stride=2, padding=(0, 1)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = self.own(x) + x
        return self.head(self.strided(x).relu_().mean((2, 3)))


STRUCTURES["own output added"] = Added


def made(name: str, seed: int = 0, images: int = 5) -> tuple[nn.Module, list, Tensor]:
    torch.manual_seed(seed)
    model = STRUCTURES[name]().double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    inputs = torch.rand(images, 3, 16, 16, dtype=torch.float64)
    return model, find_unit_groups(model, inputs[:1]), inputs


def view(model: nn.Module, groups: list, inputs: Tensor, batch_size: int = 2) -> Network:
    layers = layers_of(groups)
    return Network(model, layers, inputs, batch_size=batch_size, groups=groups)


def read_by(model: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """What a layer reads, by an ordinary hook."""
    kept = []
    hook = model.get_submodule(layer).register_forward_pre_hook(lambda module, given: kept.append(given[0].clone()))
    with torch.no_grad():
        model(inputs)
    hook.remove()
    return kept[0]


def patches(module: nn.Module, values: Tensor) -> np.ndarray:
    """Every patch that a convolution multiplies, cut out one by one; the vectors of a linear layer."""
    if isinstance(module, nn.Linear):
        return values.reshape(-1, values.shape[-1]).numpy()
    (high, wide), (down, right), (dy, dx) = module.kernel_size, module.stride, module.dilation
    pads = (dy * (high - 1) // 2, dx * (wide - 1) // 2) if module.padding == "same" else module.padding
    padded = np.pad(values.numpy(), [(0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2])
    rows = []
    for image in padded:
        for top in range(0, image.shape[1] - dy * (high - 1), down):
            for left in range(0, image.shape[2] - dx * (wide - 1), right):
                patch = image[:, top : top + dy * high : dy, left : left + dx * wide : dx]
                rows.append(patch[:, :high, :wide].ravel())
    return np.array(rows)


def answer_without(model: nn.Module, layer: str, values: Tensor, silent: Tensor) -> Tensor:
    """What a layer answers with some of its input channels silent, outputs last."""
    module = model.get_submodule(layer)
    linear = isinstance(module, nn.Linear)
    with torch.no_grad():
        found = module(values.index_fill(values.ndim - 1 if linear else 1, silent, 0))
    return found if linear else found.movedim(1, -1)


def readers(model: nn.Module, group: UnitGroup, inputs: Tensor) -> Iterator[tuple[str, np.ndarray, np.ndarray, list]]:
    """Of each layer that reads a group and stays: its name, rows, weight (outputs × columns) and, unit by unit, the
    columns that are the unit's and the outputs that go with it."""
    for part in group.slices:
        module = model.get_submodule(part.owner) if part.role == "in" else None
        if module is None or getattr(module, "groups", 1) > 1:
            continue
        weight = module.weight.detach().flatten(1).numpy()
        kernel = weight.shape[1] // module.weight.shape[1]
        makes = next((one.index for one in group.slices if one.owner == part.owner and one.role == "out"), None)
        of_units = []
        for unit in range(group.size):
            columns = [channel * kernel + place for channel in part.index[unit].tolist() for place in range(kernel)]
            of_units.append((columns, [] if makes is None else makes[unit].tolist()))
        yield part.owner, patches(module, read_by(model, part.owner, inputs)), weight, of_units
