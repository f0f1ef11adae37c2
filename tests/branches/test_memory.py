"""Peak memory counts what is alive at one time, once."""

import torch
from torch import nn

from secateur.branches.memory import peak_bytes

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
