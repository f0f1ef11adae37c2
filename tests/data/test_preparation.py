"""Preparing images once: the bytes are those of timm's own transform, in order, whatever the number of threads."""

import numpy as np
import pytest
import timm
import timm.data
import torch
from PIL import Image
from tests.tiers import rows

from secateur.data import index, preparation, store
from secateur.errors import SecateurError
from secateur.models import inputs
from secateur.models.transforms import transform_of

CLASSES = ["cat", "dog"]


def paint(folder, sizes=((90, 70), (64, 100)), each=5, **facts):
    """A dataset of image files: photographs of noise, and the index."""
    generator = np.random.default_rng(0)
    rows = []
    for split in ("train", "test"):
        for label, (width, height) in enumerate(sizes):
            for number in range(each):
                path = folder / "images" / split / CLASSES[label] / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)).save(path)
                rows.append((split, label, path.relative_to(folder).as_posix()))
    index.write(folder, {"name": "painted", "classes": CLASSES} | facts, rows[::-1])
    return folder


ARCHITECTURES = ["resnet18", "vgg11_bn", "convnext_atto", "vgg_small"]


@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("architecture", rows(ARCHITECTURES, ["convnext_atto", "vgg_small"]))
def test_floats_are_those_of_timms_own_transform(tmp_path, architecture, colour):
    data = paint(tmp_path / "painted")
    transform = transform_of(architecture, 48, colour)
    preparation.prepare(data, transform, tmp_path / "made", threads=2)
    dataset = store.load(tmp_path / "made")
    found = inputs.images(dataset, "test", torch.device("cpu"))[:]
    model = timm.create_model(architecture)
    config = timm.data.resolve_data_config({}, model=model) | {"input_size": (3, 48, 48)}
    if colour == "grey":
        config |= {key: (sum(config[key]) / 3,) for key in ("mean", "std")} | {"input_size": (1, 48, 48)}
    timms = timm.data.create_transform(**config, is_training=False)
    mode = {"rgb": "RGB", "grey": "L"}[colour]
    files = [data / f"images/test/{name}/{number}.png" for name in CLASSES for number in range(5)]
    expected = torch.stack([timms(Image.open(path).convert(mode)) for path in files])
    assert dataset.test_inputs.dtype == np.uint8 and dataset.test_labels.tolist() == [0] * 5 + [1] * 5
    assert torch.allclose(found, expected, atol=1e-5)


def test_images_no_larger_than_the_input_are_not_cropped(tmp_path):
    tiny = np.zeros((8, 8, 3), np.uint8)
    tiny[0], tiny[-1], tiny[:, 0], tiny[:, -1] = 255, 255, 255, 255  # a frame, which a crop would cut off
    convert = preparation.pixels(transform_of("resnet18", 8, "grey"))
    assert np.array_equal(convert(Image.fromarray(tiny))[..., 0], tiny[..., 0])
    larger = preparation.pixels(transform_of("resnet18", 32, "rgb"))(Image.fromarray(tiny))
    assert larger.shape == (32, 32, 3) and larger[0].min() > 200 and larger[16, 16].max() < 50


def test_arrays_and_files_of_the_same_pictures_give_the_same_bytes_with_any_number_of_threads(tmp_path):
    files = paint(tmp_path / "files", sizes=((40, 40), (40, 40)), each=90)
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    _, paths, labels = index.read(files)
    for split in ("train", "test"):
        np.save(
            arrays / f"{split}_inputs.npy", np.stack([np.asarray(Image.open(files / path)) for path in paths[split]])
        )
        np.save(arrays / f"{split}_labels.npy", labels[split])
    (arrays / "dataset.json").write_text((files / "dataset.json").read_text())
    transform = transform_of("resnet18", 24, "rgb")
    for name, data, threads in (("one", files, 1), ("three", files, 3), ("arrays", arrays, 2)):
        preparation.prepare(data, transform, tmp_path / name, threads)
    for name in ("train_inputs.npy", "test_inputs.npy", "train_labels.npy", "dataset.json"):
        assert len({(tmp_path / made / name).read_bytes() for made in ("one", "three", "arrays")}) == 1


def broken(folder, **facts):
    data = paint(folder, **facts)
    (data / "images/train/cat/1.png").write_bytes(b"<html>not found</html>")
    path = data / "images/test/dog/3.png"
    path.write_bytes(path.read_bytes()[:2000])
    return data


def test_unreadable_images_are_listed_and_nothing_is_written(tmp_path):
    transform = transform_of("resnet18", 24, "rgb")
    with pytest.raises(
        SecateurError, match=r"2 images cannot be read: images/train/cat/1\.png: .*dog/3\.png: .*skip_un"
    ):
        preparation.prepare(broken(tmp_path / "data"), transform, tmp_path / "made", threads=2)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_unreadable_images_can_be_left_out_and_are_counted(tmp_path):
    transform = transform_of("resnet18", 24, "rgb")
    said = preparation.prepare(broken(tmp_path / "data", skip_unreadable=True), transform, tmp_path / "made")
    assert "2 unreadable ones left out" in said
    made = store.load(tmp_path / "made")
    preparation.prepare(paint(tmp_path / "good"), transform, tmp_path / "whole")
    whole = store.load(tmp_path / "whole")
    assert np.array_equal(made.train_inputs, np.delete(whole.train_inputs, 1, axis=0))
    assert np.array_equal(made.test_inputs, np.delete(whole.test_inputs, 8, axis=0))
    assert made.test_labels.tolist() == [0] * 5 + [1] * 4
    assert made.about["unreadable"] == {"train": 1, "test": 1}
    assert made.about["class_sizes"] == {"train": [4, 5], "test": [5, 4]}
    assert len((tmp_path / "made" / "unreadable.txt").read_text().splitlines()) == 2


def test_a_class_without_any_readable_image_is_an_error(tmp_path):
    data = paint(tmp_path / "data", each=1, skip_unreadable=True)
    (data / "images/test/dog/0.png").write_bytes(b"")
    with pytest.raises(SecateurError, match=r'no image of the test split can be read in the classes \["dog"\]'):
        preparation.prepare(data, transform_of("resnet18", 24, "rgb"), tmp_path / "made")


def test_a_class_missing_from_one_split_is_named(tmp_path):
    rows = [("train", 0, "a.png"), ("train", 1, "b.png"), ("test", 0, "c.png")]
    with pytest.raises(SecateurError, match="'pets': its test split has no image of the classes dog"):
        index.write(tmp_path, {"name": "pets", "classes": CLASSES}, rows)
    assert not list(tmp_path.iterdir())
