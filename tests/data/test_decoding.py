"""What a file's values become: each mode of Pillow scaled by its range or refused, and pictures upright."""

import numpy as np
import pytest
from PIL import Image
from tests.hostile import run

from secateur.data import index
from secateur.data.decoding import decoded

RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
EIGHT = np.rint(RAMP / 257).astype(np.uint8)


def opened(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(decoded(image, "L"))


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_sixteen_bits_become_eight_by_their_range(tmp_path, kind):
    path = tmp_path / f"ramp.{kind}"
    Image.fromarray(RAMP).save(path, format="PPM" if kind == "pgm" else None)
    assert np.array_equal(opened(path), EIGHT)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(decoded(image, "RGB")), np.repeat(EIGHT[..., None], 3, axis=2))
    dark = (RAMP // 256).astype(np.uint16)  # by the format's range, not by the largest value that occurs
    Image.fromarray(dark).save(path, format="PPM" if kind == "pgm" else None)
    assert opened(path).max() == 1


def test_big_endian_and_twelve_bits(tmp_path):
    (tmp_path / "big.pgm").write_bytes(b"P5 16 16 65535\n" + RAMP.astype(">u2").tobytes())
    assert np.array_equal(opened(tmp_path / "big.pgm"), EIGHT)
    (tmp_path / "ten.pgm").write_bytes(b"P5 16 16 1023\n" + (RAMP // 64).astype(">u2").tobytes())
    assert np.abs(opened(tmp_path / "ten.pgm").astype(int) - EIGHT).max() <= 1
    image = Image.frombytes("I;16B", (16, 16), RAMP.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(decoded(image, "L")), EIGHT)
    twelve = Image.fromarray((RAMP // 16).astype(np.uint16))
    twelve.tag_v2 = {258: (12,)}
    assert np.abs(np.asarray(decoded(twelve, "L")).astype(int) - EIGHT).max() <= 1


@pytest.mark.parametrize(("kind", "word"), [(np.float32, "'F' \\(floats"), (np.int32, "'I' \\(32 bits")])
def test_values_without_a_range_are_refused_by_their_mode(tmp_path, kind, word):
    Image.fromarray((RAMP / 65535).astype(kind) if kind is np.float32 else RAMP.astype(kind)).save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match=f"mode {word} a value.*8 or 16 bits"):
        opened(tmp_path / "x.tif")


def test_eight_bits_stay_as_pillow_has_them(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    for array in (colours, colours[..., 0], np.concatenate([colours, colours[..., :1]], axis=2)):
        image = Image.fromarray(array)
        for mode in ("RGB", "L"):
            assert np.array_equal(np.asarray(decoded(image.copy(), mode)), np.asarray(image.convert(mode)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "lzw.tif"])
def test_a_picture_stands_as_its_exif_data_say(tmp_path, orientation, kind):
    """Eight pictures that viewers show alike, each stored as a camera in another position stores it."""
    shown = np.zeros((16, 24), np.uint8)
    shown[:8, :8] = 250  # bright in the upper left corner
    shown[8:, 16:] = 90
    stored = {
        1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1],
        5: shown.T, 6: np.rot90(shown), 7: shown[::-1, ::-1].T, 8: np.rot90(shown, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100}, "lzw.tif": {"compression": "tiff_lzw"}}.get(kind, {})
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"x.{kind}", exif=exif, **options)
    found = opened(tmp_path / f"x.{kind}")
    assert found.shape == shown.shape
    assert np.abs(found.astype(int) - shown).max() <= 3


def test_damaged_exif_data_leave_the_picture_as_it_is_stored(tmp_path):
    image = Image.fromarray(EIGHT)
    image.save(tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=100)
    assert opened(tmp_path / "x.jpg").shape == (16, 16)


def test_a_set_with_an_image_of_floats_names_the_file_and_the_mode(inside):
    rows = []
    for split in ("train", "test"):
        for label in (0, 1):
            path = inside / "set" / "images" / f"{split}{label}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(EIGHT if label else (EIGHT / 255).astype(np.float32)).save(path)
            rows.append((split, label, f"images/{path.name}"))
    index.write(inside / "set", {"name": "set", "classes": ["a", "b"]}, rows)
    said = run("data", "prepare", "--data", "set", "--architecture", "vgg_small", "--size", "16", "--output", "out")
    assert "2 images cannot be read: images/train0.tif: its mode 'F'" in said and not (inside / "out").exists()
