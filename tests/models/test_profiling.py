"""Time, bytes on disk, and peak memory, which counts what is alive at one time, once."""

import pytest
import torch
from safetensors.torch import save
from tests.pruning import networks
from torch import nn

from secateur.errors import SecateurError
from secateur.models.profiling import disk_bytes, latency, peak_bytes

CPU = torch.device("cpu")
MEGABYTE = 4 * 512 * 512


def test_freed_tensors_and_views_are_not_counted_and_what_was_there_before_neither():
    def work():
        first = torch.zeros(512, 512)
        second = first + 1
        del first
        return (second + 1)[:10].relu_()

    assert peak_bytes(work, CPU) == 2 * MEGABYTE
    before = torch.zeros(512, 512)
    assert peak_bytes(lambda: before.t()[:5], CPU) == 0


def test_a_graph_keeps_every_layers_output_and_no_grad_keeps_two():
    chain = nn.Sequential(*[nn.Linear(512, 512) for _ in range(6)])
    images = torch.randn(512, 512)
    assert peak_bytes(lambda: chain(images), CPU) == 6 * MEGABYTE
    with torch.no_grad():
        assert peak_bytes(lambda: chain(images), CPU) == 2 * MEGABYTE


def test_latency_names_its_device_and_keeps_the_mode() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Flatten()).train()
    found = latency(network, (3, 8, 8), batches=(1, 4), repeats=5, warm=1)
    assert [item.batch for item in found] == [1, 4]
    assert all(0 < item.lower <= item.median <= item.upper for item in found)
    assert all("threads" in item.device for item in found)
    assert network.training
    assert [item.runs for item in found] == [5, 5]
    assert latency(network, (3, 8, 8), batches=(1,), repeats=50, most_seconds=0)[0].runs == 3
    with pytest.raises(SecateurError, match="at least one repeat"):
        latency(network, (3, 8, 8), repeats=0)


def test_disk_bytes_are_those_of_the_safetensors_file() -> None:
    network = networks.chain()
    assert disk_bytes(network) == len(save(network.state_dict()))
