"""VGGs small enough for a laptop CPU, built of timm's own parts and registered with timm under their own names."""

from typing import Any

from timm.layers import ClassifierHead
from timm.models import register_model
from timm.models.vgg import VGG, ConvMlp
from torch import nn

CHANNELS = (16, 32, 64, 64)


@register_model
def vgg_small(pretrained: bool = False, **arguments: Any) -> VGG:
    """Four convolutions of `channels` (16, 32, 64, 64) and two fully connected layers, the first a 2 × 2 convolution.

    The paper's plain chain at a hundredth of VGG-16's size, for inputs of 16 to 32 pixels. timm's VGG fixes its
    fully connected part to 7 × 7 × 4096, which is most of that network; here it is 2 × 2 times the last channels.
    """
    return _small("vgg_small", pretrained, arguments)


@register_model
def vgg_bn_small(pretrained: bool = False, **arguments: Any) -> VGG:
    """`vgg_small` with a batch-norm after each of its four convolutions."""
    return _small("vgg_bn_small", pretrained, arguments | {"norm_layer": nn.BatchNorm2d})


def _small(name: str, pretrained: bool, arguments: dict[str, Any]) -> VGG:
    if pretrained:
        raise ValueError(f"{name} has no published weights; use weights: {{pretrain: <dataset>}}.")
    for key in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        arguments.pop(key, None)
    first, second, third, last = arguments.pop("channels", CHANNELS)
    network = VGG(cfg=[first, "M", second, "M", third, last, "M"], mlp_ratio=1 / 4096, **arguments)
    network.pre_logits = ConvMlp(last, last, kernel_size=2, drop_rate=arguments.get("drop_rate", 0.0))
    network.head_hidden_size = last
    network.head = ClassifierHead(last, network.num_classes, pool_type=arguments.get("global_pool", "avg"))
    return network
