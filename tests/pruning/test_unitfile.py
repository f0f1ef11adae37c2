"""Unit groups written and read again are the same groups: they remove the same channels."""

import pytest
import timm
import torch
from tests.tiers import rows

from secateur import tensorfile
from secateur.errors import SecateurError
from secateur.pruning import unitfile
from secateur.pruning.removal import remove, shrink
from secateur.pruning.units import find_unit_groups


@pytest.mark.parametrize("name", rows(["resnet18", "mobilenetv2_100", "regnetx_002"], ["resnet18"]))
def test_groups_read_back_are_those_written(name, tmp_path):
    try:
        model = timm.create_model(name, num_classes=5).eval()
    except RuntimeError:
        pytest.skip(f"this timm has no {name}")
    image = torch.rand(1, 3, 64, 64)
    groups = find_unit_groups(model, image)
    unitfile.write(tmp_path / "u.safetensors", groups)
    found = unitfile.read(tmp_path / "u.safetensors")
    assert [(a.name, a.kind, a.size, a.residual) for a in found] == [
        (b.name, b.kind, b.size, b.residual) for b in groups
    ]
    for one, other in zip(found, groups, strict=True):
        assert [producer.layer for producer in one.producers] == [producer.layer for producer in other.producers]
        assert all(torch.equal(a.channels, b.channels) for a, b in zip(one.producers, other.producers, strict=True))
        assert [(part.owner, part.role) for part in one.slices] == [(part.owner, part.role) for part in other.slices]
        assert all(torch.equal(a.index, b.index) for a, b in zip(one.slices, other.slices, strict=True))
        assert torch.equal(one.original, other.original)
    selection = {group.name: list(range(group.size // 3)) for group in found}
    with torch.no_grad():
        expected = remove(model, groups, selection)(image)
        assert torch.equal(remove(model, found, selection)(image), expected)
    again = shrink(found, {name: [] for name in selection})
    assert [group.size for group in again] == [group.size for group in groups]


@pytest.mark.parametrize("keep", [0, 7, 200])
def test_a_damaged_file_is_named(keep, tmp_path):
    path = tmp_path / "u.safetensors"
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    unitfile.write(path, find_unit_groups(model, torch.rand(1, 3)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SecateurError, match=r"u\.safetensors: not a readable file of unit groups"):
        unitfile.read(path)
    with pytest.raises(SecateurError, match=r"gone: not a readable file"):
        unitfile.read(tmp_path / "gone")


def test_a_file_from_before_gates_and_scales_were_written_reads_as_without_them(tmp_path):
    path = tmp_path / "u.safetensors"
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    groups = find_unit_groups(model, torch.rand(1, 3))
    unitfile.write(path, groups)
    tensors, about = tensorfile.read(path, "file of unit groups")
    tensorfile.write(
        path, tensors, [{k: v for k, v in entry.items() if k not in ("gate", "scaled")} for entry in about]
    )
    (one,), (other,) = unitfile.read(path), groups
    assert one.gate is False is other.gate
    assert [part.scaled for part in one.slices] == [part.scaled for part in other.slices]
    gate = [entry | {"gate": True} for entry in about]
    tensorfile.write(path, tensors, gate)
    assert unitfile.read(path)[0].gate is True
