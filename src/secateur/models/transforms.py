"""How the images of an architecture are scaled, cropped and normalised."""

from secateur.data.preparation import Transform, transform_for
from secateur.models import build


def transform_of(architecture: str, size: int, colour: str) -> Transform:
    """`transform_for` the architecture of this name (timm's, or "torchvision/<name>")."""
    import timm

    if architecture.startswith("torchvision/"):  # torchvision's classical networks were trained with timm's defaults
        return transform_for({"interpolation": "bilinear"}, size, colour)
    build.register(architecture)
    return transform_for(timm.get_pretrained_cfg(architecture), size, colour)
