"""Augmentation of training images: mirrored, shifted and zoomed by one resampling, on the device, from a named seed."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def draw(settings: dict[str, Any], count: int, size: int, generator: torch.Generator) -> Tensor | None:
    """One random map of the image plane for each of `count` images, or None where the settings ask for nothing.

    Args:
        settings: `flip` (mirror half of the images, left to right), `shift` (by up to this share of the side in each
            direction, in whole pixels) and `zoom` (cut out a square of at least this share of the area and enlarge it).
        count: images.
        size: their side in pixels.
        generator: on the CPU, so that all devices see the same draws.

    Returns:
        count × 2 × 3: where in the source each point of the result lies, in the coordinates of functional.affine_grid.
    """
    flip, shift, zoom = settings["flip"], settings["shift"], settings["zoom"]
    if not flip and not shift and zoom == 1:
        return None
    mirrored = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0) if flip else torch.ones(count)
    most = round(shift * size)
    pixels = torch.randint(-most, most + 1, (count, 2), generator=generator)
    side = (zoom + (1 - zoom) * torch.rand(count, generator=generator)).sqrt()
    corner = (1 - side)[:, None] * (2 * torch.rand(count, 2, generator=generator) - 1)
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = side * mirrored, side
    maps[:, :, 2] = corner + pixels * (2 / size)
    return maps


def apply(images: Tensor, maps: Tensor) -> Tensor:
    """Resample N × C × size × size images by N maps; what lies outside of an image is zero, the mean colour."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
