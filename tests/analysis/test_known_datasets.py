"""How many classes a study's images have, and so what guessing gets, is what was written beside the images."""

import pytest

from secateur.analysis import datasets
from secateur.errors import SecateurError
from secateur.files import write_json
from secateur.layout import prepared

BACKBONE = {"architecture": "resnet18", "size": 32, "colour": "grey"}
CONFIG = {
    "studies": {"digits": {"dataset": "five", "backbone": "net"}, "absent": {"dataset": "none", "backbone": "net"}},
    "backbones": {"net": BACKBONE},
}


def test_chance_is_one_in_as_many_as_there_are_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = prepared("five", BACKBONE) / "dataset.json"
    about = {"classes": list("56789"), "class_sizes": {"train": [9] * 5, "test": [4, 4, 4, 4, 5]}}
    write_json(path, about)
    found = datasets.known(CONFIG)
    assert found.to_dict("records") == [
        {"study": "digits", "dataset": "five", "classes": 5, "training_images": 45, "test_images": 21, "chance": 0.2}
    ]
    write_json(path, {"classes": []})
    with pytest.raises(SecateurError, match=r"dataset\.json: has no classes with their sizes"):
        datasets.known(CONFIG)


def test_a_run_without_studies_has_none():
    assert datasets.known({}).empty and list(datasets.known({}).columns) == datasets.COLUMNS
