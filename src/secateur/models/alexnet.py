"""torchvision's AlexNet as a timm architecture: the paper's second network, which timm itself lacks."""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torchvision import models

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

# The names of timm's own registry: register_model looks for them here.
default_cfgs = generate_default_cfgs(
    {
        "alexnet.tv_in1k": {
            "url": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "crop_pct": 0.875,
            "interpolation": "bilinear",
            "first_conv": "features.0",
            "classifier": "classifier.6",
            "license": "bsd-3-clause",
            **IMAGENET,
        }
    }
)


class AlexNet(models.AlexNet):
    """torchvision's network and names of weights, with timm's way of setting inputs, classes and dropout.

    Inputs of 63 pixels or more; the last pooling brings every size to 6 × 6.
    """

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, drop_rate: float = 0.5) -> None:
        super().__init__(num_classes, drop_rate)
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = 4096
        if in_chans != 3:
            self.features[0] = nn.Conv2d(in_chans, 64, kernel_size=11, stride=4, padding=2)

    def get_classifier(self) -> nn.Module:
        """The last fully connected layer."""
        return self.classifier[6]

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last fully connected layer by a fresh one."""
        self.num_classes = num_classes
        self.classifier[6] = nn.Linear(self.classifier[6].in_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """Output of the convolutions, N × 256 × height × width."""
        return self.features(images)


@register_model
def alexnet(pretrained: bool = False, **arguments: Any) -> AlexNet:
    """Five convolutions and three fully connected layers, as torchvision has them (arXiv 1404.5997)."""
    return build_model_with_cfg(AlexNet, "alexnet", pretrained, **arguments)
