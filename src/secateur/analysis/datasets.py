"""What the images of a run's studies are: how many classes, and so how much guessing gets right."""

from pathlib import Path
from typing import Any

import pandas as pd

from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.layout import prepared

COLUMNS = ["study", "dataset", "classes", "training_images", "test_images", "chance"]


def known(config: dict[str, Any]) -> pd.DataFrame:
    """One row per study whose prepared images are there, from what was written beside them.

    Args:
        config: the run's config; without studies there are no rows.

    Returns:
        `COLUMNS`; `chance` is the accuracy of a network that says any class at random, 1 / classes.

    Raises:
        SecateurError: a dataset.json that says nothing of its classes.
    """
    rows = []
    for name, study in (config.get("studies") or {}).items():
        path = Path(prepared(study["dataset"], config["backbones"][study["backbone"]]), "dataset.json")
        if not path.exists():  # a partial report's study may never have got so far
            continue
        about = read_json(path)
        try:
            counts = {split: sum(about["class_sizes"][split]) for split in ("train", "test")}
            classes = len(about["classes"])
            rows.append([name, study["dataset"], classes, counts["train"], counts["test"], 1 / classes])
        except (KeyError, TypeError, ZeroDivisionError) as error:
            raise SecateurError(
                f"{path}: has no classes with their sizes ({error!r}). Remove the folder {path.parent} and run again."
            ) from None
    return pd.DataFrame(rows, columns=COLUMNS)
