"""Whole or absent, and never silently another: text, tensors and tables with every bit flipped or the end cut off."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.tiers import rows

from secateur import files, tablefile, tensorfile
from secateur.cli.commands import of_the_system
from secateur.errors import SecateurError

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(5), "c": torch.ones(3, dtype=torch.bfloat16)}
TABLE = pd.DataFrame({"name": ["x", "y", "z"] * 20, "value": [0.1, 0.2, None] * 20, "count": range(60)})


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_what_a_killed_process_left_is_removed_by_the_next_attempt(tmp_path):
    path = tmp_path / "t.json"
    pid = os.fork()
    if pid == 0:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            os._exit(9)
    os.waitpid(pid, 0)
    assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".t.stability.json.abcdefgh.json").touch()  # of another file
    files.write_json(path, 1)
    assert sorted(found.name for found in tmp_path.iterdir()) == [".t.stability.json.abcdefgh.json", "t.json"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_may_be_read_by_whom_the_user_lets_read_it(tmp_path, mask):
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "t.txt", "for all of the group")
    finally:
        os.umask(before)
    assert (tmp_path / "t.txt").stat().st_mode & 0o777 == 0o666 & ~mask


def test_tensors_and_what_is_known_of_them_come_back_in_both_frameworks(tmp_path):
    path = tmp_path / "t.safetensors"
    tensorfile.write(path, TENSORS, {"rows": [0.1, None]})
    found, about = tensorfile.read(path, "file")
    assert list(found) == ["a", "b", "c"] and about == {"rows": [0.1, None]}
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)
    arrays, _ = tensorfile.read(path, "file", lambda name: name != "c", framework="np")
    assert np.array_equal(arrays["b"], TENSORS["b"].numpy()) and set(arrays) == {"a", "b"}
    again = tmp_path / "again.safetensors"
    tensorfile.write(again, dict(reversed(TENSORS.items())), {"rows": [0.1, None]})
    assert again.read_bytes() == path.read_bytes()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    tensorfile.write(folder / "t.safetensors", TENSORS, {"x": 1})
    tablefile.write(folder / "t.parquet", TABLE)
    return folder


@pytest.mark.parametrize("every", rows([1, 7], [7]))
def test_no_flipped_bit_of_a_tensor_file_goes_unseen(written, tmp_path, every):
    content = (written / "t.safetensors").read_bytes()
    path = tmp_path / "t.safetensors"
    for bit in range(0, 8 * len(content), every):
        path.write_bytes(flipped(content, bit))
        try:
            found, about = tensorfile.read(path, "file")
        except SecateurError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            continue
        # What JSON does not tell apart: white space behind the header.
        assert about == {"x": 1} and set(found) == set(TENSORS), bit
        assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS), bit


def test_no_flipped_bit_of_a_table_goes_unseen(written, tmp_path):
    content = (written / "t.parquet").read_bytes()
    path = tmp_path / "t.parquet"
    whole = tablefile.read(written / "t.parquet")
    seen = 0
    for bit in range(0, 8 * len(content), 31):
        path.write_bytes(flipped(content, bit))
        try:
            assert tablefile.read(path).equals(whole), bit
        except SecateurError:
            seen += 1
    assert seen > len(content) / 31


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", ["t.safetensors", "t.parquet"])
def test_a_file_that_is_cut_short_or_is_anything_else_is_one_error(written, tmp_path_factory, name, data):
    content = (written / name).read_bytes()
    part = st.integers(0, len(content) - 1).map(lambda size: content[:size])
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(data.draw(part | st.binary(max_size=300) | st.binary(max_size=40).map(lambda x: content[:8] + x)))
    with pytest.raises(SecateurError, match=r"t\.\w+: not a readable"):
        tensorfile.read(path, "file") if name == "t.safetensors" else tablefile.read(path)


def test_a_file_of_another_program_is_read_only_where_that_is_allowed(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(SecateurError, match="holds no checksums"):
        tensorfile.read(path, "file")
    assert torch.equal(tensorfile.read(path, "file", foreign=True)[0]["a"], torch.ones(2))


@pytest.fixture
def no_room() -> Iterator[None]:
    """From now on this process can write no more than a kilobyte to a file: the system refuses, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["json", "parquet", "safetensors", "npy"])
def test_what_the_disk_refuses_is_one_line_and_nothing_half_written(tmp_path, no_room, kind):
    numbers = np.random.default_rng(0).random(10_000)
    path = tmp_path / f"x.{kind}"
    with pytest.raises(OSError, match=r".") as caught:
        if kind == "json":
            files.write_json(path, list(numbers))
        elif kind == "parquet":
            tablefile.write(path, pd.DataFrame({"a": numbers}))
        elif kind == "safetensors":
            tensorfile.write(path, {"a": torch.from_numpy(numbers)})
        else:
            with files.replacing(path) as temporary:
                np.save(temporary, numbers)
    assert "Make room and run again" in of_the_system(caught.value)
    assert not list(tmp_path.iterdir())


def test_json_that_is_no_json_is_one_error(tmp_path):
    (tmp_path / "x.json").write_bytes(json.dumps({"a": 1}).encode()[:-1] + b"\xff")
    with pytest.raises(SecateurError, match=r"x\.json: not a readable JSON file"):
        files.read_json(tmp_path / "x.json")
