"""Small members of timm's families with attention, with random weights in which nothing is zero or one by chance."""

import timm
import torch
from torch import nn

PLAIN = {"img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 3}
WINDOWS = {"img_size": 32, "window_size": 4, "embed_dim": 12, "depths": (2, 2), "num_heads": (2, 4)}
STAGES = {"img_size": 64, "stem_width": 8, "embed_dim": (8, 16, 16, 32), "depths": (1, 1, 1, 1)}
FAMILIES = {
    "vit": ("vit_tiny_patch16_224", PLAIN),
    "deit3": ("deit3_small_patch16_224", PLAIN),
    "deit_distilled": ("deit_tiny_distilled_patch16_224", PLAIN),
    "swin": ("swin_tiny_patch4_window7_224", WINDOWS),
    "swinv2": ("swinv2_tiny_window8_256", WINDOWS),
    "beit": ("beit_base_patch16_224", PLAIN),
    "cait": ("cait_xxs24_224", PLAIN),
    "xcit": ("xcit_nano_12_p16_224", PLAIN),
    "maxvit": ("maxvit_nano_rw_256", {**STAGES, "transformer_dim_head": 4}),
    "coatnet": ("coatnet_nano_rw_224", {**STAGES, "transformer_dim_head": 4}),
    "eva02": ("eva02_tiny_patch14_224", {**PLAIN, "img_size": 28}),
}


def image_size(family: str) -> int:
    """Height and width of the images that a member takes."""
    return int(FAMILIES[family][1]["img_size"])


def network(family: str, classes: int = 5) -> nn.Module:
    """A member in float64 and evaluation mode; the same weights at every call."""
    name, arguments = FAMILIES[family]
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=classes, **arguments)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    for parameter in model.parameters():
        if parameter.dim() < 2:  # biases, factors, gates of layers: alike and mostly 0, 1 or tiny after initialisation
            nn.init.uniform_(parameter, 0.3, 1.2, generator=generator)
        else:
            nn.init.normal_(parameter, 0, 0.6 / parameter[0].numel() ** 0.5, generator=generator)
    return model.double().eval()


def fused(model: nn.Module, wanted: bool) -> nn.Module:
    """The network itself, with or without fused attention."""
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = wanted
    return model
