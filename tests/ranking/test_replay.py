"""Passes from a change on, against whole passes: the same to the bit, and nothing done again that need not be."""

import pytest
import torch
from tests import attention_networks
from tests.pruning import networks
from torch import nn

from secateur.pruning.masking import masked
from secateur.pruning.units import find_unit_groups
from secateur.ranking.replay import replay


class Written(nn.Module):
    """Writes to what its modules gave: before the next one is called, and after it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.three, self.norm, self.head = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.act(self.norm(self.one(x)))
        y = self.two(x).tanh()
        x += 1
        y += x
        return self.head(self.three(y).sigmoid().mean((2, 3)))


def built(name):
    torch.manual_seed(0)
    if name in attention_networks.FAMILIES:
        size = attention_networks.image_size(name)
        return attention_networks.network(name), torch.randn(2, 3, size, size).double()
    kind = Written if name == "Written" else getattr(networks, name)
    return kind().double().eval(), torch.randn(3, 3, 16, 16).double()


@pytest.mark.parametrize(
    "name", ["chain", "Residual", "Gated", "Concatenated", "Shared", "Written", "vit", "xcit", "coatnet"]
)
def test_a_pass_from_the_change_on_is_the_whole_pass_to_the_bit(name):
    model, images = built(name)
    groups = find_unit_groups(model, images[:1])
    silent = [(group, {group.name: [0, group.size - 1]}) for group in groups]
    with torch.no_grad():
        expected = []
        for group, selection in silent:
            with masked(model, [group], selection):
                expected.append(model(images))
        assert not any(torch.equal(logits, model(images)) for logits in expected), "their units are worth something"
        with replay(model, images) as passes:
            for _ in range(2):  # no pass leaves anything to the next
                for (group, selection), whole in zip(silent, expected, strict=True):
                    with masked(model, [group], selection):
                        assert torch.equal(passes.again([part.owner for part in group.consumers]), whole), group.name


def test_only_what_comes_after_the_change_is_worked_out():
    run = []

    class Heard(nn.Conv2d):
        def forward(self, x):
            run.append(self.name)
            return super().forward(x)

    inner = nn.Sequential(Heard(2, 2, 1), Heard(2, 2, 1))
    model = nn.Sequential(Heard(2, 2, 1), inner, nn.ReLU(), Heard(2, 2, 1), nn.Flatten()).eval()
    for name, module in model.named_modules():
        module.name = name
    with torch.no_grad(), replay(model, torch.ones(1, 2, 2, 2)) as passes:
        assert run == ["0", "1.0", "1.1", "3"]
        for changed, again in (("3", ["3"]), ("1.1", ["1.1", "3"]), ("0", ["0", "1.0", "1.1", "3"])):
            run.clear()
            passes.again([changed])
            assert run == again


def test_the_network_is_as_it_was_also_after_an_error():
    model, images = built("Residual")
    before = {name: dict(vars(module)) for name, module in model.named_modules()}
    with pytest.raises(RuntimeError), replay(model, images[:, :2]):
        pass
    with torch.no_grad(), replay(model, images) as passes:
        passes.again(["head"])
    assert {name: dict(vars(module)) for name, module in model.named_modules()} == before
