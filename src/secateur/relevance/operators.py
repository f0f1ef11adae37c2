"""The affine maps that a rule can be applied to: convolution, linear layer, and scale (a batch-norm on its own)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Convolution:
    """A convolution or transposed convolution in any number of dimensions.

    `padding` is what is passed to the convolution itself; `pad` what has to be padded before it, in the order of
    `torch.nn.functional.pad` (only an uneven padding="same" needs it).
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    pad: tuple[int, ...] = ()

    kind = "convolution"

    def apply(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Outputs of the map: samples × out channels × positions..."""
        if self.pad:
            inputs = F.pad(inputs, self.pad)
        return torch.ops.aten.convolution(
            inputs,
            weight,
            bias,
            self.stride,
            self.padding,
            self.dilation,
            self.transposed,
            self.output_padding,
            self.groups,
        )

    def transpose(self, outputs: Tensor, weight: Tensor, inputs: Tensor) -> Tensor:
        """The map's transpose: from the shape of the outputs to the shape of `inputs` (only its shape is read)."""
        if self.pad:
            inputs = F.pad(inputs, self.pad)
        result = torch.ops.aten.convolution_backward(
            outputs,
            inputs,
            weight,
            None,
            self.stride,
            self.padding,
            self.dilation,
            self.transposed,
            self.output_padding,
            self.groups,
            [True, False, False],
        )[0]
        return F.pad(result, tuple(-amount for amount in self.pad)) if self.pad else result

    def channels(self, values: Tensor, outputs: Tensor) -> Tensor:
        """`values`, one number per output channel, shaped to be added to `outputs`."""
        return values.reshape(-1, *[1] * (outputs.dim() - 2))

    def scaled(self, weight: Tensor, factors: Tensor) -> Tensor:
        """The weight of the same map followed by a multiplication of each output channel by its factor."""
        if not self.transposed:
            return weight * factors.reshape(-1, *[1] * (weight.dim() - 1))
        # A transposed convolution's weight is in channels × (out channels per group) × positions.
        per_group = weight.shape[0] // self.groups
        by_group = factors.reshape(self.groups, 1, -1).expand(-1, per_group, -1).reshape(weight.shape[:2])
        return weight * by_group.reshape(*weight.shape[:2], *[1] * (weight.dim() - 2))

    def rows(self, weight: Tensor) -> Tensor:
        """The weight as out channels × everything else."""
        if not self.transposed:
            return weight.flatten(1)
        grouped = weight.reshape(self.groups, weight.shape[0] // self.groups, weight.shape[1], -1)
        return grouped.transpose(1, 2).reshape(self.groups * weight.shape[1], -1)

    def fan_in(self, weight: Tensor) -> int:
        """How many weights one output channel has."""
        outs = self.groups * weight.shape[1] if self.transposed else weight.shape[0]
        return weight.numel() // max(outs, 1)


@dataclass(frozen=True)
class Linear:
    """A linear layer: acts on the last dimension, whatever stands before it."""

    kind = "linear"

    def apply(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Outputs of the map: ... × out features."""
        return F.linear(inputs, weight, bias)

    def transpose(self, outputs: Tensor, weight: Tensor, inputs: Tensor) -> Tensor:
        """The map's transpose: ... × out features to ... × in features."""
        del inputs
        return outputs @ weight

    def channels(self, values: Tensor, outputs: Tensor) -> Tensor:
        """`values`, one number per output feature, shaped to be added to `outputs`."""
        del outputs
        return values

    def scaled(self, weight: Tensor, factors: Tensor) -> Tensor:
        """The weight of the same map followed by a multiplication of each output feature by its factor."""
        return weight * factors.unsqueeze(1)

    def rows(self, weight: Tensor) -> Tensor:
        """The weight as out features × in features."""
        return weight

    def fan_in(self, weight: Tensor) -> int:
        """How many weights one output feature has."""
        return weight.shape[1]


@dataclass(frozen=True)
class Scale:
    """A diagonal linear layer: one factor per channel (dimension 1). A batch-norm that no convolution precedes."""

    kind = "normalisation"

    def apply(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Outputs of the map, in the shape of the inputs."""
        outputs = inputs * self.channels(weight, inputs)
        return outputs if bias is None else outputs.add_(self.channels(bias, inputs))

    def transpose(self, outputs: Tensor, weight: Tensor, inputs: Tensor) -> Tensor:
        """A diagonal map is its own transpose."""
        return outputs * self.channels(weight, inputs)

    def channels(self, values: Tensor, outputs: Tensor) -> Tensor:
        """`values`, one number per channel, shaped to be added to `outputs`."""
        return values.reshape(-1, *[1] * (outputs.dim() - 2))

    def scaled(self, weight: Tensor, factors: Tensor) -> Tensor:
        """The weight of the same map followed by another scale."""
        return weight * factors

    def rows(self, weight: Tensor) -> Tensor:
        """The weight as channels × 1."""
        return weight.unsqueeze(1)

    def fan_in(self, weight: Tensor) -> int:
        """One: each channel has its own factor."""
        del weight
        return 1


Operator = Convolution | Linear | Scale


def convolution_operator(name: str, arguments: dict) -> Convolution:
    """The operator of a call of `torch.conv{1,2,3}d`, `torch.conv_transpose{1,2,3}d` or `torch.convolution`.

    `arguments` are the call's, by name; `name` is the function's.
    """
    weight: Tensor = arguments["weight"]
    dimensions = weight.dim() - 2

    def each(key: str, default: int) -> tuple[int, ...]:
        value = arguments.get(key, default)
        return (value,) * dimensions if isinstance(value, int) else tuple(value) * (dimensions // len(value))

    dilation = each("dilation", 1)
    padding = arguments.get("padding", 0)
    pad: tuple[int, ...] = ()
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [step * (size - 1) for step, size in zip(dilation, weight.shape[2:], strict=True)]
        padding = tuple(amount // 2 for amount in total)
        if any(amount % 2 for amount in total):
            # Uneven: the odd one is padded at the end, as torch does.
            pad = tuple(side for amount in reversed(total) for side in (amount // 2, amount - amount // 2))
            padding = 0
    transposed = "transpose" in name or bool(arguments.get("transposed", False))
    return Convolution(
        stride=each("stride", 1),
        padding=(padding,) * dimensions if isinstance(padding, int) else tuple(padding) * (dimensions // len(padding)),
        dilation=dilation,
        transposed=transposed,
        output_padding=each("output_padding", 0),
        groups=arguments.get("groups", 1),
        pad=pad,
    )
