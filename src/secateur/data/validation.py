"""The part of the training split that is not trained on: by it, and never by the test split, decisions are made."""

import numpy as np


def divide(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide a training split into what is trained on and what is held out, class by class.

    Args:
        labels: N training labels.
        share: of each class to hold out, at least 0 and below 1; rounded, but at least one image, and never all.
        seed: of the draw.

    Returns:
        Positions in the training split, each rising: trained on, held out. Together they are all N.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels) if share else ():
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held[generator.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
