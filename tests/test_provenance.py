"""What made a run: the facts about its datasets."""

from secateur import config as configuration
from secateur import provenance
from secateur.files import write_json
from secateur.layout import prepared


def test_the_report_counts_the_images_and_those_that_were_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {
        "run": "pets",
        "criteria": ["weight"],
        "datasets": {"pets": {"kind": "imagefolder", "path": "."}},
        "backbones": {"small": {"architecture": "vgg_small", "weights": {"pretrain": "digits_source"}}},
        "studies": {"pets_small": {"dataset": "pets", "backbone": "small"}},
    }
    config = configuration.resolve(given)
    facts = {"citation": "Ours", "licence": "CC0", "class_sizes": {"train": [5, 4], "test": [2, 2]}}
    folder = prepared("pets", config["backbones"]["small"])
    write_json(folder / "dataset.json", facts | {"unreadable": {"train": 1, "test": 2}})
    found = provenance.gather(config, tmp_path)["datasets"]
    assert found == ["pets: 9 training and 4 test images, 3 unreadable ones left out (Ours; licence: CC0)"]
