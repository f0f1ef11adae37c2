"""Residual networks for 32 × 32 pixels: He et al. 2016 (arXiv 1512.03385), section 4.2, 6n + 2 layers.

An architecture of one's own: name the folder in `architectures_path` of a config, and these are `resnet20_cifar` and
`resnet56_cifar`. Tensors have the names of the weights that Y. Idelbayev published (akamaster/pytorch_resnet_cifar10).
"""

from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional

IMAGES = {
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "input_size": (3, 32, 32),
    "crop_pct": 1.0,
    "first_conv": "conv1",
    "classifier": "linear",
}
default_cfgs = generate_default_cfgs({"resnet20_cifar": IMAGES, "resnet56_cifar": IMAGES})


class Block(nn.Module):
    """Two convolutions and a shortcut without weights (option A of the paper).

    The shortcut takes every second position of the input and puts channels of zeros around it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, (outputs - inputs) // 2

    def forward(self, inputs: Tensor) -> Tensor:
        """N × inputs × height × width to N × outputs × height/stride × width/stride."""
        found = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(inputs)))))
        if self.added:
            inputs = inputs[:, :, :: self.stride, :: self.stride]
            inputs = functional.pad(inputs, (0, 0, 0, 0, self.added, self.added))
        return functional.relu(found + inputs)


class CifarResNet(nn.Module):
    """A stem of 16 channels, three stages of `blocks` blocks with 16, 32 and 64, and a linear layer."""

    def __init__(self, blocks: int, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(blocks, 16, 16)
        self.layer2 = self._stage(blocks, 16, 32)
        self.layer3 = self._stage(blocks, 32, 64)
        self.linear = nn.Linear(64, num_classes)

    @staticmethod
    def _stage(blocks: int, inputs: int, outputs: int) -> nn.Sequential:
        first = Block(inputs, outputs, stride=outputs // inputs)
        return nn.Sequential(first, *(Block(outputs, outputs, stride=1) for _ in range(blocks - 1)))

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.linear

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh linear layer in its place."""
        self.linear = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """N × 3 × 32 × 32 to N × classes."""
        signals = functional.relu(self.bn1(self.conv1(images)))
        signals = self.layer3(self.layer2(self.layer1(signals)))
        return self.linear(signals.mean((2, 3)))


@register_model
def resnet20_cifar(num_classes: int = 10, in_chans: int = 3, **_: object) -> CifarResNet:
    """Nineteen convolutions and a linear layer."""
    return CifarResNet(3, num_classes, in_chans)


@register_model
def resnet56_cifar(num_classes: int = 10, in_chans: int = 3, **_: object) -> CifarResNet:
    """Fifty-five convolutions and a linear layer."""
    return CifarResNet(9, num_classes, in_chans)
