"""From stored arrays to what a network sees: tensors at the study's size, normalised, on the device."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from secateur.errors import SecateurError


def device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, else MPS, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SecateurError("device: cuda asked for, but PyTorch finds no CUDA device; allowed here: auto, cpu.")
    return torch.device(name)


def images(array: np.ndarray, size: int, on: torch.device) -> Tensor:
    """Images as float tensors in about −1…1.

    Args:
        array: N × H × W × C, uint8.
        size: side in pixels that the network sees; images are resized to it bilinearly.
        on: where the tensor goes.

    Returns:
        N × C × size × size, float32: (value / 255 − 0.5) / 0.5.
    """
    tensor = torch.from_numpy(np.array(array)).permute(0, 3, 1, 2).to(on, torch.float32)
    if tensor.shape[-2:] != (size, size):
        tensor = functional.interpolate(tensor, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return (tensor / 255 - 0.5) / 0.5


def labels(array: np.ndarray, on: torch.device) -> Tensor:
    """N int64 labels on the device."""
    return torch.from_numpy(np.array(array)).to(on)
