"""Datasets: the digits and their split, the pins that say what the bytes are, reference samples."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.config import REPOSITORY, datasets
from secateur.data import digits, pins, references, store
from secateur.errors import SecateurError


def test_digits_are_split_by_class_without_overlap_and_none_is_lost():
    arrays = digits.make({"classes": ["3", "7"], "test_share": 0.5})
    both = np.concatenate([arrays["train_inputs"], arrays["test_inputs"]])
    from sklearn.datasets import load_digits

    bunch = load_digits()
    expected = bunch.images[np.isin(bunch.target, [3, 7])]
    assert both.dtype == np.uint8 and both.shape == (*expected.shape, 1)
    assert sorted(image.tobytes() for image in both[..., 0]) == sorted(
        np.round(image * 255 / 16).astype(np.uint8).tobytes() for image in expected
    )
    assert set(arrays["train_labels"]) == set(arrays["test_labels"]) == {0, 1}


@pytest.mark.parametrize("name", [name for name, entry in datasets().items() if "files" not in entry])
def test_every_embedded_dataset_is_what_data_dvc_pins(name, tmp_path):
    found = store.make(name, datasets()[name], tmp_path / name, REPOSITORY / "data.dvc")
    assert pins.pinned_hashes(REPOSITORY / "data.dvc")[name] == found
    loaded = store.load(tmp_path / name)
    assert len(loaded.classes) == loaded.train_labels.max() + 1 == loaded.test_labels.max() + 1
    assert len(loaded.train_inputs) == len(loaded.train_labels)


def test_other_bytes_are_refused_and_leave_nothing_behind(tmp_path):
    pinned = tmp_path / "data.dvc"
    pinned.write_text("outs:\n- path: data/digits_target\n  md5: 0123.dir\n", encoding="utf-8")
    with pytest.raises(SecateurError) as caught:
        store.make("digits_target", datasets()["digits_target"], tmp_path / "made", pinned)
    assert "0123.dir" in str(caught.value) and "91838c0b" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data.dvc"]


def test_a_wrong_class_size_in_the_entry_is_named(tmp_path):
    entry = datasets()["digits_target"] | {"smallest_class": 3}
    with pytest.raises(SecateurError, match="smallest_class: 3"):
        store.make("digits_target", entry, tmp_path / "made", tmp_path / "none.dvc")


def test_a_truncated_array_is_named(tmp_path):
    store.make("moons", datasets()["moons"], tmp_path / "moons", tmp_path / "none.dvc")
    path = tmp_path / "moons" / "train_inputs.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SecateurError, match="train_inputs.npy"):
        store.load(tmp_path / "moons")


@pytest.mark.slow
def test_folder_hash_is_dvcs_own(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "b.txt").write_text("two")
    (tmp_path / "folder" / "inner" / "a.txt").write_text("one")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=tmp_path, check=True)
    subprocess.run([*dvc, "add", "-q", "folder"], cwd=tmp_path, check=True)
    assert pins.pinned_hashes(tmp_path / "folder.dvc") == {"folder": pins.folder_hash(tmp_path / "folder")}


labelled = st.lists(st.integers(0, 3), min_size=8, max_size=60).filter(
    lambda labels: min(np.bincount(labels)[np.unique(labels)]) >= 2
)


@given(labelled, st.integers(0, 2**63 - 1))
def test_reference_samples_are_distinct_rightly_labelled_and_nested(values, seed):
    labels = np.array(values)
    most = int(np.bincount(labels)[np.unique(labels)].min())
    drawn = references.draw(labels, most, seed)
    assert drawn["index"].is_unique
    assert (labels[drawn["index"]] == drawn["label"]).all()
    assert (drawn.groupby("label")["position"].apply(sorted) == [list(range(most))] * len(np.unique(labels))).all()
    assert drawn.equals(references.draw(labels, most, seed))
    fewer = references.draw(labels, most - 1, seed)
    assert fewer.equals(drawn[drawn["position"] < most - 1].reset_index(drop=True)), "smaller sets are prefixes"


def test_every_sample_is_drawn_first_and_last_equally_often():
    labels, repeats = np.zeros(8, dtype=int), 800
    drawn = pd.concat(references.draw(labels, 3, seed) for seed in range(repeats))
    for _, rows in drawn.groupby("position"):
        # Chi-square with 7 degrees of freedom: a fair draw exceeds 29.9 once in 10,000; a sorted one exceeds 300.
        counts = np.bincount(rows["index"], minlength=8)
        assert ((counts - repeats / 8) ** 2 / (repeats / 8)).sum() < 29.9


def test_reading_takes_prefixes_and_all(tmp_path):
    labels = np.repeat([0, 1], 20)
    path = tmp_path / "samples.csv"
    references.write(path, {seed: references.draw(labels, 5, seed) for seed in range(3)})
    two, five = (set(references.read(path, 1, n, labels)) for n in ("2", "5"))
    assert len(two) == 4 and len(five) == 10 and two < five
    assert references.read(path, 1, "all", labels).tolist() == list(range(40))
    with pytest.raises(SecateurError, match=r"samples\.csv"):
        references.read(path, 1, "5", 1 - labels)
    with pytest.raises(SecateurError, match="6 reference samples asked for, but class 0 has 5"):
        references.draw(np.repeat([0, 1], 5), 6, 0)


def test_dataset_json_is_readable_by_anyone(tmp_path):
    store.make("circles", datasets()["circles"], tmp_path / "circles", tmp_path / "none.dvc")
    about = json.loads((tmp_path / "circles" / "dataset.json").read_text())
    assert about["class_sizes"] == {"train": [1000, 1000], "test": [1000, 1000]}
