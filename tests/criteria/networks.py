"""Small networks on which criteria can be worked out in another way, and what ordinary hooks see of them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from secateur.pruning.units import find_unit_groups
from secateur.ranking.network import Network

LAYERS = ["one", "two", "dense"]
LABELS = torch.tensor([0, 1, 2, 1, 0, 1, 0])
CLASS_SIZES = [3, 3, 1]


class Chain(nn.Module):
    """Two convolutions, one with batch-norm, a max pooling, and two linear layers; a module for every function."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3)
        self.relu_one, self.pool, self.relu_two = nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()
        self.dense, self.relu_dense, self.head = nn.Linear(5 * 2 * 2, 6), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu_one(self.norm(self.one(x))))
        return self.head(self.relu_dense(self.dense(self.relu_two(self.two(x)).flatten(1))))


class Residual(Chain):
    """The same with an addition, so that each channel of `one` and of `two` goes together."""

    def __init__(self) -> None:
        super().__init__()
        self.two, self.dense = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4 * 4 * 4, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu_one(self.norm(self.one(x))))
        return self.head(self.relu_dense(self.dense(self.relu_two(self.two(x) + x).flatten(1))))


def samples() -> Tensor:
    """One image for each of LABELS."""
    return torch.randn(len(LABELS), 3, 10, 10, generator=torch.Generator().manual_seed(1)).double()


def built(kind: type[Chain] = Chain) -> Chain:
    """A network with factors γ of both signs, in which every filter is on for some samples and positions only.

    In one with dead filters, sums of absolute values, absolute values of sums and squares would be hard to tell apart.
    """
    torch.manual_seed(0)
    model = kind().double().eval()
    nn.init.normal_(model.norm.weight)
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2)
    for module in normed(model):
        outputs, _ = signals_at(model, [module], samples(), LABELS)[0]
        with torch.no_grad():
            module.bias -= outputs.mean((0, 2))
    return model


def normed(model: Chain) -> list[nn.Module]:
    """The modules whose outputs are those of LAYERS, after batch-norm and before the ReLU."""
    return [model.norm, model.two, model.dense]


def signals_at(
    model: nn.Module, modules: list[nn.Module], inputs: Tensor, labels: Tensor, of: str = "loss"
) -> list[tuple[Tensor, Tensor]]:
    """For each module its output and the gradient of `of`, samples × channels × positions, by ordinary autograd."""
    kept: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda module, given, output: kept.append(output)) for module in modules]
    logits = model(inputs)
    for hook in hooks:
        hook.remove()
    loss = F.cross_entropy(logits, labels, reduction="sum")
    target = loss if of == "loss" else logits[range(len(labels)), labels].sum()
    gradients = torch.autograd.grad(target, kept)
    return [
        (output.detach().reshape(*output.shape[:2], -1), gradient.reshape(*output.shape[:2], -1))
        for output, gradient in zip(kept, gradients, strict=True)
    ]


def signals(model: Chain, inputs: Tensor, of: str = "loss") -> dict[str, tuple[Tensor, Tensor]]:
    """`signals_at` the outputs of all LAYERS."""
    return dict(zip(LAYERS, signals_at(model, normed(model), inputs, LABELS, of), strict=True))


def view(model: nn.Module, inputs: Tensor, labels: Tensor = LABELS, **options) -> Network:
    """What a criterion sees: batches of two, so that the last one is smaller."""
    groups = find_unit_groups(model, inputs[:1])
    return Network(model, LAYERS, inputs, labels, groups=groups, **{"batch_size": 2} | options)


def weights(model: Chain) -> list[nn.Parameter]:
    """The weights of LAYERS."""
    return [model.get_submodule(layer).weight for layer in LAYERS]


def loss_of(model: nn.Module, inputs: Tensor, labels: Tensor = LABELS, temperature: float = 1.0) -> Tensor:
    """Mean cross-entropy."""
    return F.cross_entropy(model(inputs) / temperature, labels, reduction="mean")
