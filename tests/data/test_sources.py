"""Each kind of dataset from a small fixture in its source's true format, and folders of one's own."""

import hashlib
import io
import pickle

import numpy as np
import pytest
import torchvision
from scipy.io import savemat
from tests.data.hosts import pack, picture

from secateur.config_datasets import datasets
from secateur.data import imagefolder, index, preparation, store
from secateur.errors import SecateurError
from secateur.models.transforms import transform_of

KNOWN = datasets()


def made(tmp_path, name, files, **changed):
    """The dataset `name` of config/datasets.yaml from these files; its index (or arrays) and facts."""
    entry = {key: value for key, value in KNOWN[name].items() if key != "smallest_class"} | changed
    store.make(name, entry, tmp_path / name, tmp_path / "none.dvc", files)
    return tmp_path / name


def test_scene_15_in_the_authors_archive(tmp_path):
    """scene_categories.zip has the classes' folders at its top, with grey JPEGs; 100 a class are for training."""
    files = {}
    for name in ("bedroom", "CALsuburb", "MITcoast"):
        for number in range(1, 8):
            files[f"{name}/image_{number:04d}.jpg"] = picture(number)
    packed = pack(tmp_path / "scene_categories.zip", files)
    about, paths, labels = index.read(made(tmp_path, "scene15", [packed], train_per_class=4))
    assert about["classes"] == ["CALsuburb", "MITcoast", "bedroom"]
    assert about["class_sizes"] == {"train": [4] * 3, "test": [3] * 3}
    assert sorted(paths["train"] + paths["test"]) == sorted(f"images/{name}" for name in files)
    assert all(about["classes"][label] in path for path, label in zip(paths["test"], labels["test"], strict=True))
    assert KNOWN["scene15"]["train_per_class"] == 100


def test_event_8_as_repacked(tmp_path):
    """event_img/<class>/<image>.jpg, with a readme beside it; 70 for training, 60 for testing."""
    files = {
        f"event_img/{name}/{number}.jpg": picture(number)
        for name in ("badminton", "RockClimbing")
        for number in range(9)
    }
    packed = pack(tmp_path / "event_dataset.zip", files | {"event_img/readme.txt": b"images"})
    about, _, _ = index.read(made(tmp_path, "event8", [packed], train_per_class=3, test_per_class=2))
    assert about["classes"] == ["RockClimbing", "badminton"]
    assert about["class_sizes"] == {"train": [3, 3], "test": [2, 2]}
    assert (KNOWN["event8"]["train_per_class"], KNOWN["event8"]["test_per_class"]) == (70, 60)


def test_cats_and_dogs_with_its_broken_files(tmp_path):
    """PetImages/Cat/0.jpg; Cat/666.jpg is empty, there is a Thumbs.db in each folder, and two texts at the top."""
    files = {f"PetImages/{name}/{number}.jpg": picture(number) for name in ("Cat", "Dog") for number in range(10)}
    files |= {f"PetImages/{name}/Thumbs.db": b"thumbs" for name in ("Cat", "Dog")} | {"PetImages/Cat/666.jpg": b""}
    packed = pack(tmp_path / "petimages.zip", files | {"readme[1].txt": b"", "MSR-LA - 3467.docx": b"PK"})
    data = made(tmp_path, "cats_and_dogs", [packed])
    said = preparation.prepare(data, transform_of("resnet18", 16, "rgb"), tmp_path / "prepared")
    facts = store.load(tmp_path / "prepared").about
    assert "1 unreadable ones left out" in said
    assert [sum(pair) for pair in zip(*facts["class_sizes"].values(), strict=True)] == [10, 10]
    assert facts["classes"] == ["Cat", "Dog"]


def test_flowers_102_by_torchvision(tmp_path, monkeypatch):
    """102flowers.tgz with jpg/image_00001.jpg, and two .mat files; training and validation images are for training."""
    packed = pack(
        tmp_path / "102flowers.tgz", {f"jpg/image_{number:05d}.jpg": picture(number) for number in range(1, 307)}
    )
    labels = np.tile(np.arange(1, 103), 3)
    savemat(tmp_path / "imagelabels.mat", {"labels": labels[None].astype(np.uint8)})
    ids = np.random.default_rng(0).permutation(306) + 1
    ids = ids[np.argsort(labels[ids - 1], kind="stable")].reshape(102, 3)  # of each class one in each split
    parts = {"trnid": ids[:, 0][None], "valid": ids[:, 1][None], "tstid": ids[:, 2][None]}
    savemat(tmp_path / "setid.mat", parts)
    files = [packed, tmp_path / "imagelabels.mat", tmp_path / "setid.mat"]
    with pytest.raises(SecateurError, match="torchvision finds its files incomplete or changed"):
        made(tmp_path, "flowers102", files)
    known = {
        key: (name, _md5(tmp_path / name)) for key, (name, _) in torchvision.datasets.Flowers102._file_dict.items()
    }
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", known)
    about, paths, found = index.read(made(tmp_path, "flowers102", files))
    assert about["classes"][0] == "pink primrose" and len(about["classes"]) == 102
    assert about["class_sizes"] == {"train": [2] * 102, "test": [1] * 102}
    numbers = {split: [int(path[-9:-4]) for path in paths[split]] for split in paths}
    assert set(numbers["test"]) == set(ids[:, 2].tolist())
    for split in paths:
        assert [labels[number - 1] - 1 for number in numbers[split]] == found[split].tolist()


def test_cifar_10_by_torchvision(tmp_path, monkeypatch):
    """cifar-10-batches-py: pickled dictionaries of rows of 3072 bytes, red plane first."""
    generator = np.random.default_rng(0)
    batches, files = {}, {}
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for name in names:
        batches[name] = {"data": generator.integers(0, 256, (20, 3072), np.uint8), "labels": list(range(10)) * 2}
        files[f"cifar-10-batches-py/{name}"] = pickle.dumps(batches[name])
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps({"label_names": classes, "num_cases_per_batch": 20})
    packed = pack(tmp_path / "cifar-10-python.tar.gz", files)
    with pytest.raises(SecateurError, match="torchvision finds its files incomplete or changed"):
        made(tmp_path, "cifar10", [packed])  # and nothing was unpickled
    cifar = torchvision.datasets.CIFAR10
    md5s = {name.rpartition("/")[2]: hashlib.md5(content).hexdigest() for name, content in files.items()}
    for key in ("train_list", "test_list"):
        monkeypatch.setattr(cifar, key, [[name, md5s[name]] for name, _ in getattr(cifar, key)])
    monkeypatch.setattr(cifar, "meta", cifar.meta | {"md5": md5s["batches.meta"]})
    dataset = store.load(made(tmp_path, "cifar10", [packed]))
    assert dataset.classes == classes and dataset.train_inputs.shape == (100, 32, 32, 3)
    assert dataset.train_labels.tolist() == list(range(10)) * 10
    first = batches["test_batch"]["data"][7].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(dataset.test_inputs[7], first)
    assert not (tmp_path / "cifar10" / "images").exists()


def test_ilsvrc_2012_by_torchvision(tmp_path, monkeypatch):
    """A devkit with meta.mat and the validation labels, a tar of one tar a class, a flat tar of validation images."""
    from torchvision.datasets import imagenet

    ids = ["n01440764", "n01443537", "n01484850"]
    synset = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    # The devkit's numbers are not in the order of the WordNet ids, and inner nodes have children.
    rows = [(1, ids[2], "great white shark, white shark", "", 0), (2, ids[0], "tench, Tinca tinca", "", 0)]
    rows += [(3, ids[1], "goldfish", "", 0), (4, "n00001740", "entity", "", 3)]
    held = io.BytesIO()
    savemat(held, {"synsets": np.array(rows, dtype=synset)[:, None]})
    kit = "ILSVRC2012_devkit_t12/data"
    truth = [1, 3, 2, 2, 1, 3]
    pack(
        tmp_path / "ILSVRC2012_devkit_t12.tar.gz",
        {f"{kit}/meta.mat": held.getvalue(), f"{kit}/ILSVRC2012_validation_ground_truth.txt": _lines(truth)},
    )
    inner = {}
    for name in ids:
        stream = pack(tmp_path / f"{name}.tar", {f"{name}_{number}.JPEG": picture(number) for number in range(4)})
        inner[f"{name}.tar"] = stream.read_bytes()
    pack(tmp_path / "ILSVRC2012_img_train.tar", inner)
    pack(
        tmp_path / "ILSVRC2012_img_val.tar",
        {f"ILSVRC2012_val_{number:08d}.JPEG": picture(number) for number in (6, 5, 4, 3, 2, 1)},
    )
    files = [tmp_path / item["name"] for item in KNOWN["ilsvrc2012"]["files"]]
    with pytest.raises(SecateurError, match=r"devkit_t12\.tar\.gz is not what torchvision expects"):
        made(tmp_path, "ilsvrc2012", files)
    known = {part: (name, _md5(tmp_path / name)) for part, (name, _) in imagenet.ARCHIVE_META.items()}
    monkeypatch.setattr(imagenet, "ARCHIVE_META", known)
    about, paths, labels = index.read(made(tmp_path, "ilsvrc2012", files))
    assert about["classes"] == [f"tench ({ids[0]})", f"goldfish ({ids[1]})", f"great white shark ({ids[2]})"]
    assert about["class_sizes"] == {"train": [4, 4, 4], "test": [2, 2, 2]}
    by_number = {int(path[-13:-5]): label for path, label in zip(paths["test"], labels["test"], strict=True)}
    assert [by_number[number] for number in range(1, 7)] == [{1: 2, 2: 0, 3: 1}[number] for number in truth]
    assert all(ids[label] in path for path, label in zip(paths["train"], labels["train"], strict=True))


def test_every_source_has_its_hash_or_says_why_not():
    for name, entry in KNOWN.items():
        for item in entry.get("files", []):
            assert item.get("sha256") or item.get("md5") or "url" not in item, name
            assert "url" in item or "how" in entry, name


def paint(folder, names=("train/cat", "train/dog", "test/cat", "test/dog"), each=6):
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            (folder / name / f"{number}.png").write_bytes(picture(number, kind="PNG"))
    return folder


OWN = {"kind": "imagefolder"}


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "tar.xz", "zip"])
@pytest.mark.parametrize("inside", ["", "deep/down/"])
def test_a_folder_of_ones_own_and_every_archive_of_it_give_the_same(tmp_path, kind, inside):
    folder = paint(tmp_path / "mine")
    source = folder
    if kind != "folder":
        content = {
            f"{inside}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*.png")
        }
        source = pack(tmp_path / f"mine.{kind}", content)
    store.make("mine", OWN, tmp_path / "made", tmp_path / "none.dvc", [source])
    about, paths, _ = index.read(tmp_path / "made")
    assert about["class_sizes"] == {"train": [6, 6], "test": [6, 6]} and about["licence"] == "not stated"
    for split in paths:
        for path in paths[split]:
            _, name, number = path.rsplit("/", 2)
            assert (tmp_path / "made" / path).read_bytes() == (folder / split / name / number).read_bytes()


def test_an_undivided_folder_is_divided_by_class_and_seed(tmp_path):
    folder = paint(tmp_path / "mine", ("cat", "dog"), each=10)
    tests = []
    for seed in (0, 0, 1):
        train, test = imagefolder.splits(folder, seed, "mine", {"test_share": 0.3})
        assert np.bincount(test.labels).tolist() == [3, 3] and np.bincount(train.labels).tolist() == [7, 7]
        assert not set(train.paths) & set(test.paths)
        tests.append(test.paths)
    assert tests[0] == tests[1] != tests[2]


def test_subsets_of_a_divided_folder_are_drawn_and_the_rest_is_not_copied(tmp_path):
    folder = paint(tmp_path / "mine")
    entry = OWN | {"train_per_class": 4, "test_per_class": 2}
    store.make("mine", entry, tmp_path / "made", tmp_path / "none.dvc", [folder])
    about, _, _ = index.read(tmp_path / "made")
    assert about["class_sizes"] == {"train": [4, 4], "test": [2, 2]}
    assert len(list((tmp_path / "made").rglob("*.png"))) == 12


def test_mistakes_in_a_folder_are_one_error_and_nothing_is_written(tmp_path):
    for number, (names, changed, words) in enumerate(
        [
            (("train/cat", "train/dog", "train/cow", "test/cat", "test/dog"), {}, "differ in the classes cow"),
            (("cat",), {}, "has 1 subfolders"),
            (("cat", "dog"), {"train_per_class": 6}, "class cat has 6 images; 6 are for training"),
            (("cat", "dog"), {"classes": ["cats", "dogs"]}, "its files have the classes cat, dog, but its entry says"),
            (("cat", "dog"), {"smallest_class": 9}, "smallest_class: 9"),
        ]
    ):
        folder = paint(tmp_path / str(number), names)
        with pytest.raises(SecateurError, match=words):
            store.make("mine", OWN | changed, tmp_path / "made", tmp_path / "none.dvc", [folder])
    (tmp_path / "4" / "empty").mkdir()
    with pytest.raises(SecateurError, match="empty holds no image"):
        store.make("mine", OWN, tmp_path / "made", tmp_path / "none.dvc", [tmp_path / "4"])
    with pytest.raises(SecateurError, match="unknown kind 'folders'; known are digits, points, imagefolder"):
        store.make("mine", {"kind": "folders"}, tmp_path / "made", tmp_path / "none.dvc", [tmp_path / "4"])
    with pytest.raises(SecateurError, match="test_share is for kind imagefolder; cifar10 has its own split"):
        store.make("mine", {"kind": "cifar10", "test_share": 0.1}, tmp_path / "made", tmp_path / "none.dvc", [])
    with pytest.raises(SecateurError, match="kind imagefolder is made from files"):
        store.make("mine", {"kind": "imagefolder"}, tmp_path / "made", tmp_path / "none.dvc", [])
    with pytest.raises(SecateurError, match="its entry lacks smallest_class, which kind points needs"):
        store.make("mine", {"kind": "points", "classes": ["a"]}, tmp_path / "made", tmp_path / "none.dvc")
    digits = {"kind": "digits", "classes": ["cat"], "smallest_class": 9, "test_share": 0.5}
    with pytest.raises(SecateurError, match="'cat' is none of '0' to '9'"):
        store.make("mine", digits, tmp_path / "made", tmp_path / "none.dvc")
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


def _md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def _lines(numbers):
    return "".join(f"{number}\n" for number in numbers).encode()
