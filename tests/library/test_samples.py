"""Images in every usual form come out as the same tensors and labels."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import ImageFolder

import secateur
from secateur.library.samples import Inputs, gather, source

SIZE = 64


class Column:
    """A feature of a Hugging Face dataset, known by its class's name."""


class ClassLabel(Column):
    def __init__(self, names):
        self.names = names


HubImage = type("Image", (Column,), {})


class HubDataset:
    """What a `datasets.Dataset` offers: features, columns by name, items as dictionaries."""

    def __init__(self, folder, column="image"):
        self.folder = ImageFolder(folder)
        self.features = {column: HubImage(), "label": ClassLabel(self.folder.classes)}
        self.column = column
        self.read = 0

    def __len__(self):
        return len(self.folder)

    def __getitem__(self, key):
        if isinstance(key, str):
            assert key == "label"
            return self.folder.targets
        self.read += 1
        image, label = self.folder[key]
        return {self.column: image, "label": label}


def read(model, images, labels=None, **settings):
    return gather(source(images, labels, Inputs(model, SIZE)), None, 5)


@pytest.fixture(scope="module")
def expected(model, pictures):
    """timm's own evaluation transform, applied by torchvision's own folder."""
    config = resolve_data_config({"input_size": (3, SIZE, SIZE)}, model=model) | {"crop_pct": 1.0}
    config = {key: config[key] for key in ("input_size", "interpolation", "mean", "std", "crop_mode", "crop_pct")}
    dataset = ImageFolder(str(pictures), transform=create_transform(**config))
    return torch.stack([image for image, _ in dataset]), torch.tensor(dataset.targets)


def forms(model, folder):
    """Name → images and labels, in another form each."""
    plain = ImageFolder(str(folder))
    opened = [image for image, _ in plain]
    return {
        "path": (folder, None),
        "text": (str(folder), None),
        "ImageFolder": (plain, None),
        "list of pictures": (opened, plain.targets),
        "list of paths": ([path for path, _ in plain.samples], plain.targets),
        "list of pairs": ([(image, label) for image, label in plain], None),
        "list of bytes": ([np.asarray(image) for image in opened], plain.targets),
        "list of torch's bytes": (
            [torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()) for image in opened],
            torch.tensor(plain.targets),
        ),
        "Hugging Face": (HubDataset(folder), None),
        "Hugging Face, another column": (HubDataset(folder, "photo"), None),
        "DataLoader": (DataLoader(plain, batch_size=5, collate_fn=lambda pairs: tuple(zip(*pairs, strict=True))), None),
        "generator": ((([image], [label]) for image, label in plain), None),
        "stream": (({"image": image, "label": label} for image, label in plain), None),
        "Subset": (Subset(plain, range(len(plain))), None),
    }


@pytest.mark.parametrize("name", [
    "path", "text", "ImageFolder", "list of pictures", "list of paths", "list of pairs", "list of bytes",
    "list of torch's bytes", "Hugging Face", "Hugging Face, another column", "DataLoader", "generator",
    "stream", "Subset",
])  # fmt: skip
def test_pictures_are_prepared_as_timm_does(model, pictures, expected, name):
    images, labels = read(model, *forms(model, pictures)[name])
    assert torch.equal(labels, expected[1])
    assert images.dtype == torch.float32 and images.shape == expected[0].shape
    assert (images - expected[0]).abs().max() < 1e-6


def test_floats_are_taken_as_they_are(model, images, labels):
    transformed = [(image, int(label)) for image, label in zip(images, labels, strict=True)]
    loader = DataLoader(transformed, batch_size=5)
    for given in ((images, labels), (images.double().numpy(), labels.numpy()), (transformed, None), (loader, None)):
        found = read(model, *given)
        assert torch.equal(found[0], images) and torch.equal(found[1], labels)


def test_labels_given_take_the_place_of_those_of_the_images(model, pictures):
    other = list(range(12))
    for name, (images, _) in forms(model, pictures).items():
        assert read(model, images, other)[1].tolist() == other, name


@pytest.mark.slow
def test_a_draw_reads_only_what_it_draws_and_is_the_same_in_every_form(model, pictures):
    found = {}
    for name, (images, labels) in forms(model, pictures).items():
        if name not in ("generator", "stream"):  # which can be read once alone
            settings = {"samples_per_class": 2, "random_state": 3, "size": SIZE, "batch_size": 5}
            found[name] = secateur.prune(model, images, labels, rate=0.5, criterion="taylor", **settings).report
    first = found.pop("path")
    assert first.samples == 6
    assert all(report.removed == first.removed for report in found.values())
    hub = HubDataset(pictures)
    secateur.rank(model, hub, samples_per_class=2, size=SIZE)
    assert hub.read == 6


def test_a_shuffling_loader_leaves_the_random_state(model, images, labels):
    loader = DataLoader(list(zip(images, labels.tolist(), strict=True)), batch_size=4, shuffle=True)
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    read(model, loader)
    assert torch.equal(torch.rand(2), expected)


def test_a_folder_of_other_classes_is_refused_unless_labels_say_what_they_are(model, pictures, tmp_path):
    (tmp_path / "yellow").mkdir()
    for name in ("blue", "green", "red"):
        (tmp_path / name).symlink_to(pictures / name)
    Image.new("RGB", (40, 40)).save(tmp_path / "yellow" / "0.png")
    for images in (tmp_path, ImageFolder(str(tmp_path)), HubDataset(tmp_path)):
        with pytest.raises(
            ValueError, match=r"they are of 4 classes \(blue, green, red, yellow\), the network tells 3"
        ):
            secateur.rank(model, images, size=SIZE)
    with pytest.raises(ValueError, match="they are of 4 classes"):
        secateur.prune(model, criterion="weight", size=SIZE, test=tmp_path)
    assert secateur.rank(model, tmp_path, [0] * 13, size=SIZE).samples == 13


class Odd(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_bad_forms_are_one_clear_error(model, pictures, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    (tmp_path / "split" / "train").mkdir(parents=True)
    (tmp_path / "empty" / "a").mkdir(parents=True)
    mixed = Odd([(torch.zeros(3, 8, 8), 0), (torch.zeros(3, 9, 8), 1)])
    other = HubDataset(pictures)
    other.features = {"text": Column(), "label": Column()}
    for images, labels, message in [
        ({"train": 1, "test": 2}, None, "a mapping of train, test; give one of them"),
        (tmp_path / "split", None, "is divided into train/"),
        (tmp_path / "empty", None, "Found no valid file"),
        ([str(tmp_path / "broken" / "a.png")], [0], "a.png cannot be read as an image"),
        (mixed, None, r"of different sizes, \(3, 8, 8\) and \(3, 9, 8\)"),
        (Odd([({"text": "hello"})]), None, "an item has the keys text; none is an image's"),
        (Odd([("hello", 0)]), None, "cannot be read as an image"),
        (Odd([(None, 0)]), None, "a NoneType is no image"),
        (Odd([]), None, "there are none"),
        (iter([]), None, "there are none"),
        (other, None, "none of the dataset's columns"),
        (Odd([(torch.zeros(3, 8, 8), "red")]), None, "needed is one class index"),
        (
            DataLoader([(torch.zeros(3, 8, 8), 0)] * 4, batch_size=2),
            [0] * 3,
            "inconsistent numbers of samples, 4 and 3",
        ),
    ]:
        with pytest.raises(secateur.InputError, match=message):
            read(model, images, labels)
