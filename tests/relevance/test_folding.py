"""Batch-norms folded for evaluation: the same outputs to rounding, nothing left behind, and no pair that is none."""

import pytest
import timm
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from secateur.models import memory_format
from secateur.models.evaluation import evaluate, logits
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.ranking.network import Network
from secateur.relevance import folding

NETWORKS = {
    "resnet18": ({"channels": (8, 8, 12, 16)}, 21, 21),
    "mobilenetv2_050": ({}, 52, 52),
    "densenet121": ({"growth_rate": 4, "block_config": (2, 2, 2, 2)}, 9, 21),  # the others read concatenations
    "regnetx_002": ({}, 44, 44),
}


class Calls(TorchDispatchMode):
    """Counts the batch-norms that are computed."""

    def __init__(self):
        super().__init__()
        self.norms = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        del types
        self.norms += "batch_norm" in str(function)
        return function(*args, **(kwargs or {}))


def lived(network):
    """The same network with statistics and factors of their own, as after a training."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.2, 2, generator=generator)
            module.weight.data.uniform_(-0.5, 1.5, generator=generator)
            module.bias.data.normal_(generator=generator)
    return network.eval()


def network_of(name):
    network = lived(timm.create_model(name, num_classes=3, **NETWORKS[name][0]))
    memory_format.lay_out(network, memory_format.chosen(network))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_same_and_the_network_is_left_as_it_was(name):
    network, images = network_of(name), torch.randn(6, 3, 32, 32)
    pairs = folding.pairs(network, images)
    norms = sum(hasattr(module, "running_mean") for module in network.modules())
    assert (len(pairs), norms) == NETWORKS[name][1:]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    parameters = list(network.parameters())
    with Calls() as plain:
        whole = logits(network, images, pairs={})
    with Calls() as spared:
        folded = logits(network, images, pairs=pairs)
    assert plain.norms == norms and spared.norms == norms - len(pairs)
    assert (folded - whole).abs().max() < 1e-4 * whole.abs().max()
    assert all(one is other for one, other in zip(network.parameters(), parameters, strict=True))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.slow
def test_pairs_of_the_whole_network_hold_for_what_is_cut_from_it():
    network, images = network_of("mobilenetv2_050"), torch.randn(6, 3, 32, 32)
    pairs = folding.pairs(network, images)
    groups = find_unit_groups(network, images[:1])
    pruned = remove(network, groups, {group.name: list(range(group.size // 3)) for group in groups})
    assert folding.pairs(pruned, images) == pairs
    whole, folded = logits(pruned, images, pairs={}), logits(pruned, images, pairs=pairs)
    assert (folded - whole).abs().max() < 1e-4 * whole.abs().max()
    labels = torch.arange(6) % 3
    assert evaluate(pruned, images, labels, 3).accuracy == evaluate(pruned, images, labels, 3, pairs={}).accuracy


def test_the_network_is_as_before_after_an_error():
    network = network_of("resnet18")
    weight = network.conv1.weight
    pairs = folding.pairs(network, torch.zeros(1, 3, 32, 32))
    with pytest.raises(RuntimeError, match="channels"), torch.no_grad(), folding.joined(network, pairs):
        assert network.conv1.weight is not weight
        network(torch.zeros(1, 5, 32, 32))
    assert network.conv1.weight is weight and network.conv1.bias is None


class Chain(nn.Module):
    """One convolution and one batch-norm, put together in the way under test."""

    def __init__(self, how):
        super().__init__()
        self.how, self.conv, self.norm, self.head = how, nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
        if how == "computed":
            nn.utils.parametrizations.weight_norm(self.conv)

    def forward(self, images):
        signal = self.conv(images)
        if self.how == "raw":  # past the function that is watched
            n = self.norm
            after = torch.batch_norm(
                signal, n.weight, n.bias, n.running_mean, n.running_var, False, 0.1, n.eps, torch.backends.cudnn.enabled
            )
        elif self.how == "twice":
            after = self.norm(self.norm(signal))
        elif self.how == "read":
            after = self.norm(signal) + signal
        elif self.how == "shifted":
            after = self.norm(signal + 1)
        else:
            after = self.norm(signal)
        return self.head(after.relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("how", "expected"),
    [("plain", {"conv": "norm"}), ("raw", {}), ("twice", {}), ("read", {}), ("shifted", {}), ("computed", {})],
)
def test_what_is_no_pair_is_not_folded(how, expected):
    network, images = lived(Chain(how)), torch.randn(4, 3, 8, 8)
    assert folding.pairs(network, images) == expected
    with torch.no_grad():
        assert torch.allclose(logits(network, images), network(images).double(), atol=1e-5)


def test_a_network_with_batch_statistics_in_evaluation_has_no_pairs():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten()).eval()
    assert folding.pairs(network, torch.zeros(2, 3, 4, 4)) == {}


def test_folded_weights_are_kept_until_what_they_are_made_of_changes(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)).eval()
    conv, norm = model[0], model[1]
    images, labels = torch.rand(4, 3, 4, 4), torch.tensor([0, 1, 2, 0])
    view = Network(model, ["0"], images, labels, batch_size=2)
    made = []
    monkeypatch.setattr(folding, "folded", lambda *given, fold=folding.folded: made.append(given[1]) or fold(*given))

    def relevance(of: Network) -> torch.Tensor:
        return torch.cat([batch["0"] for batch in of.relevance("epsilon")])

    relevance(view)
    relevance(view)
    assert sum(weight is conv.weight for weight in made) == 1  # for two passes over two batches
    for change in (conv.weight, norm.weight, norm.running_var, norm.bias):
        with torch.no_grad():
            change.mul_(1.5)
        torch.testing.assert_close(relevance(view), relevance(Network(model, ["0"], images, labels)), rtol=0, atol=0)
    monkeypatch.setattr(folding, "LARGEST", 0)
    made.clear()
    relevance(Network(model, ["0"], images, labels, batch_size=2))
    assert sum(weight is conv.weight for weight in made) == 2  # one each batch: the first layer hands nothing down
