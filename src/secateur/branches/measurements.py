"""What a study's networks measure: the measured columns of the curves table, of one network at a time."""

from typing import Any

from torch import Tensor, nn

from secateur import tablefile
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.models.evaluation import evaluate
from secateur.models.inputs import Images
from secateur.models.statistics import accuracy_in_both_modes

LOOKED_AT = 256
"""Training images, at most, on which accuracy is measured in both modes: the same ones in every round of a seed."""


def measure(study: Study, model: nn.Module) -> dict[str, Any]:
    """Test scores and sizes of a network.

    Args:
        study: on whose test images; of a seed's own split it is that seed's (`Study.of`).
        model: of the study, pruned or not.
    """
    evaluation = evaluate(model, study.test_inputs, study.test_labels, len(study.dataset.classes), pairs=study.folded)
    counts = study.counter.count(model)
    return {
        "params": counts.params,
        "macs": counts.macs,
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "worst_class": study.dataset.classes[evaluation.worst_class],
        "worst_class_accuracy": evaluation.worst_class_accuracy,
        "test_samples": evaluation.samples,
    }


def measure_trained(study: Study, model: nn.Module, images: Images, labels: Tensor) -> dict[str, Any]:
    """`measure` of a network that was trained, and its accuracy on training images in eval and in train mode.

    Args:
        study, model: as of `measure`.
        images, labels: training images of the seed, as `Study.mixed` orders them; the first `LOOKED_AT` are looked at.
    """
    images, labels = images.subset(slice(LOOKED_AT)), labels[:LOOKED_AT]
    size = study.config["retrain"]["finetune"]["batch_size"]
    in_eval, in_train = accuracy_in_both_modes(model, images, labels, size)
    return measure(study, model) | {
        "training_accuracy_eval_mode": in_eval,
        "training_accuracy_train_mode": in_train,
        "training_samples": len(labels),
    }


def of_unpruned(study: Study, seed: int) -> dict[str, Any]:
    """`measure_trained` of the unpruned task model of one seed.

    Read from the file of the stage `unpruned` where the study was opened with one, else measured.

    Raises:
        SecateurError: the file has no such seed.
    """
    if study.measured is None:
        return measure_trained(study, study.model(seed), *study.mixed(seed))
    table = tablefile.read(study.measured)
    rows = table[table["seed"] == seed].drop(columns="seed").to_dict("records")
    if len(rows) != 1:
        raise SecateurError(
            f"{study.measured}: {len(rows)} rows for seed {seed}, where one is needed. Give the file that "
            "`secateur unpruned` writes for these seeds, or remove it and run again."
        )
    return {str(column): value for column, value in rows[0].items()}
