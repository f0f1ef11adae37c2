"""Batch-norm: its running statistics estimated anew on the reference images.

Each channel's mean and variance after the removal take the place of the whole network's. Weights stay.
"""

import torch

from secateur.errors import SecateurError
from secateur.models.statistics import normalisations, reestimate
from secateur.repair.view import Repair

PAPER = (
    "Li et al., EagleEye: fast sub-net evaluation for efficient neural network pruning, ECCV 2020 (arXiv 2007.02491)"
)


def repair(view: Repair, *, batch_size: int = 256) -> None:
    """`batch_size`: images whose statistics are taken together; the batches' are averaged.

    Raises SecateurError for a network without running statistics, and where a batch has one value per channel, which
    has no variance (a single image whose maps have shrunk to one position).
    """
    if not normalisations(view.pruned):
        raise SecateurError("remedy 'batch_norm': the network has no batch-norm with running statistics to estimate.")
    order = torch.randperm(len(view.images), generator=torch.Generator().manual_seed(0))  # images come class by class
    images = view.images[order]
    before = {name: value.clone() for name, value in view.pruned.named_buffers()}
    try:
        reestimate(view.pruned, images, batch_size)
    except ValueError as error:  # PyTorch's own word for a batch of one value per channel
        for name, value in view.pruned.named_buffers():
            value.copy_(before[name])
        raise SecateurError(
            f"remedy 'batch_norm': {len(images)} image(s) give some channel a single value, whose variance is not "
            f"defined ({error}). Use more images per class."
        ) from None
