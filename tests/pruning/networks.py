"""Small networks with the structures that are easy to get wrong, for the tests of removal."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def chain() -> nn.Module:
    """Convolutions, batch-norm, PReLU, pooling and a flattening into linear modules."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.PReLU(6),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 3, padding=1, bias=False),
        nn.BatchNorm2d(5),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 4 * 4, 7),
        nn.ReLU(),
        nn.Linear(7, 4),
    )


class Residual(nn.Module):
    """A stream that three layers add to, and an inner layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.inner = nn.Conv2d(6, 5, 3, padding=1)
        self.back = nn.Conv2d(5, 6, 1)
        self.shortcut = nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).sigmoid()
        x = self.shortcut(x) + self.back(self.inner(x).sigmoid())
        x += x.tanh()
        return self.head(x.mean((2, 3)))


class Gated(nn.Module):
    """Squeeze-excite with linear modules, a depthwise and a grouped convolution, and a channel-wise scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze = nn.Linear(8, 3)
        self.excite = nn.Linear(3, 8)
        self.scale = nn.Parameter(torch.rand(1, 8, 1, 1) + 0.5)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(self.stem(x).tanh())
        gate = self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()
        x = x * gate[:, :, None, None] * self.scale
        return self.head(self.grouped(x).tanh().mean((2, 3)))


class Concatenated(nn.Module):
    """Branches that are concatenated, in part added to, normalised together and consumed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 5, 1)
        self.norm = nn.BatchNorm2d(9)
        self.first = nn.Conv2d(9, 6, 3, padding=1)
        self.second = nn.Conv2d(9, 5, 1)
        self.head = nn.Conv2d(11, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        right = self.right(x).sigmoid()
        both = self.norm(torch.cat([self.left(x).tanh(), right], 1))
        return self.head(torch.cat([self.first(both).relu(), self.second(both) + right], 1)).mean((2, 3))


class Multiplied(nn.Module):
    """A grouped convolution with more outputs than inputs, and one with fewer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.wider = nn.Conv2d(6, 12, 3, padding=1, groups=6)
        self.narrower = nn.Conv2d(12, 6, 3, padding=1, groups=3)
        self.head = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.narrower(self.wider(self.stem(x).relu()).tanh()).relu()).mean((2, 3))


class WithImage(nn.Module):
    """The image itself is added to one layer's output and concatenated to another's."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Conv2d(3, 3, 3, padding=1)
        self.middle = nn.Conv2d(6 if how == "concatenated" else 3, 5, 3, padding=1)
        self.head = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).relu()
        y = torch.cat([x, y], 1) if self.how == "concatenated" else x + y
        return self.head(self.middle(y).tanh()).mean((2, 3))


class Mixed(nn.Module):
    """A layer whose channels meet one operation that does not treat them alike, between two ordinary layers."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.suspect = nn.Conv2d(4, 6, 3, padding=1)
        if how == "spatial attention":
            self.attention = nn.Conv2d(6, 1, 1)
        if how == "group norm":
            self.norm = nn.GroupNorm(2, 6)
        self.after = nn.Conv2d(3 if how in ("halves", "maximum") else 6, 5, 3, padding=1)
        self.head = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.suspect(self.stem(x).relu())
        if self.how == "softmax":
            y = y.softmax(1)
        elif self.how == "spatial attention":
            y = y * self.attention(y).sigmoid()
        elif self.how == "mean of channels":
            y = y - y.mean(1, keepdim=True)
        elif self.how == "shuffle":
            y = y.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2)
        elif self.how == "group norm":
            y = self.norm(y)
        elif self.how == "halves":
            first, second = y.chunk(2, 1)
            y = first * second.sigmoid()
        elif self.how == "maximum":
            y = y.unflatten(1, (2, 3)).amax(1)
        elif self.how == "reversed":
            y = y.flip(1)
        elif self.how == "normalised length":
            y = functional.normalize(y, dim=1)
        return self.head(self.after(y).tanh()).mean((2, 3))


class Sliced(nn.Module):
    """Each layer has more channels than the one before, whose signal is added to its first ones (as in ReXNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.wider = nn.ModuleList([nn.Conv2d(4, 6, 1), nn.Conv2d(6, 8, 1), nn.Conv2d(8, 10, 1)])
        self.after = nn.Conv2d(10, 5, 3, padding=1)
        self.head = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).tanh()
        for layer in self.wider:
            y = layer(x)
            x = torch.cat([y[:, : x.shape[1]] + x, y[:, x.shape[1] :]], 1)
        return self.head(self.after(x).relu()).mean((2, 3))


class ChannelAttention(nn.Module):
    """A gate made by a convolution that goes along the channels, between views that look like flattenings."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.along = nn.Conv1d(1, 1, 3, padding=1)
        self.after = nn.Conv2d(6, 5, 3, padding=1)
        self.head = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).tanh()
        gate = self.along(x.mean((2, 3)).view(len(x), 1, -1)).view(len(x), -1, 1, 1).sigmoid()
        return self.head(self.after(x * gate.expand_as(x)).relu()).mean((2, 3))


class Counted(nn.Module):
    """The number of features after the second convolution is written into the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5 * 16 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).tanh().view(-1, 5 * 16 * 16))


MIXING = (
    "softmax",
    "spatial attention",
    "mean of channels",
    "shuffle",
    "group norm",
    "halves",
    "maximum",
    "reversed",
    "normalised length",
)


class Shared(nn.Module):
    """One convolution that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.twice = nn.Conv2d(5, 5, 3, padding=1)
        self.after = nn.Conv2d(5, 6, 1)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(self.stem(x).relu()).relu()).relu()
        return self.head(self.after(x).tanh()).mean((2, 3))


class Standardised(nn.Conv2d):
    """A convolution that standardises its weight over the input channels before it uses it."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


def standardised() -> nn.Module:
    """A chain with a weight-standardised layer in the middle."""
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        Standardised(5, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 4, 1),
        nn.Flatten(),
        nn.Linear(4 * 12 * 12, 3),
    )
