"""The signal that a layer passes on, held against what ordinary modules with hooks return."""

import pytest
import timm
import torch
from tests.criteria.networks import LABELS, LAYERS, Residual, built, samples, view
from torch import Tensor, nn
from torch.nn import functional as F

from secateur.criteria import activation_mean, apoz, hrank
from secateur.ranking.network import Network


def seen(model: nn.Module, names: list[str], inputs: Tensor) -> dict[str, Tensor]:
    """What the modules `names` return for `inputs`, samples × channels × positions, by ordinary hooks."""
    found: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, given, output, name=name: found.update({name: output.detach().clone()})
        )
        for name in names
    ]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    return {name: output.reshape(*output.shape[:2], -1) for name, output in found.items()}


def passed(model: nn.Module, layers: list[str], inputs: Tensor) -> dict[str, Tensor]:
    batches = list(Network(model, layers, inputs, batch_size=2).activations())
    return {layer: torch.cat([batch[layer] for batch in batches]) for layer in layers}


def check(model: nn.Module, behind: dict[str, str], inputs: Tensor) -> None:
    """Each layer passes on what the module named beside it returns."""
    expected = seen(model, list(set(behind.values())), inputs)
    for layer, signal in passed(model, list(behind), inputs).items():
        assert torch.allclose(signal, expected[behind[layer]], atol=1e-10), layer


def test_a_chain_passes_on_what_comes_out_of_its_relus():
    check(built(), {"one": "relu_one", "two": "relu_two", "dense": "relu_dense", "head": "head"}, samples())


def test_a_residual_branch_passes_on_what_comes_out_behind_the_addition():
    model = built(Residual)
    check(model, {"one": "relu_one", "two": "relu_two", "dense": "relu_dense"}, samples())
    (outputs,) = Network(model, LAYERS, samples()).outputs()
    (signals,) = Network(model, LAYERS, samples()).activations()
    assert not torch.allclose(signals["two"], outputs["two"].clamp(min=0))  # what was ranked before


def test_the_criteria_rank_the_sum_and_not_the_branch_alone():
    model = built(Residual)
    after = seen(model, ["relu_two"], samples())["relu_two"]
    seen_as = view(model, samples())
    assert torch.allclose(activation_mean.score(seen_as)["two"], after.mean((0, 2)))
    assert torch.allclose(apoz.score(seen_as)["two"], (after > 0).double().mean((0, 2)))
    maps = after.reshape(len(LABELS), 4, 4, 4)
    assert torch.allclose(hrank.score(seen_as)["two"], torch.linalg.matrix_rank(maps).double().mean(0))


def test_a_resnet_has_one_signal_for_all_that_an_addition_ties_together():
    torch.manual_seed(0)
    model = timm.create_model("resnet18", channels=(4, 6, 8, 10), num_classes=3).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    behind = {"conv1": "act1", "layer1.0.conv1": "layer1.0.act1", "layer1.0.conv2": "layer1.0.act2"}
    behind |= {"layer2.0.conv2": "layer2.0.act2", "layer2.0.downsample.0": "layer2.0.act2", "fc": "fc"}
    check(model, behind, torch.randn(3, 3, 32, 32, dtype=torch.double))


def test_a_linear_bottleneck_passes_on_its_sum_with_both_signs():
    torch.manual_seed(0)
    model = timm.create_model("mobilenetv2_035", num_classes=3).double().eval()
    behind = {"blocks.1.0.conv_pwl": "blocks.1.0", "blocks.1.1.conv_pwl": "blocks.1.1"}
    behind |= {"blocks.1.1.conv_pw": "blocks.1.1.bn1.act", "blocks.1.1.conv_dw": "blocks.1.1.bn2.act"}
    inputs = torch.randn(3, 3, 32, 32, dtype=torch.double)
    check(model, behind, inputs)
    assert float(passed(model, ["blocks.1.1.conv_pwl"], inputs)["blocks.1.1.conv_pwl"].min()) < 0


class Odd(nn.Module):
    """Pooled before the ReLU, a gate on a branch, an addition in place, and a norm behind the addition."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.squeeze, self.norm, self.head = nn.Linear(4, 4), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.tail, self.sum, self.gate, self.last = nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Sigmoid(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.one(x), 2))
        y = self.two(x)
        y = y * self.gate(self.squeeze(y.mean((2, 3))))[:, :, None, None]
        y += x
        z = self.tail(self.sum(self.norm(y)))
        z += y
        return self.head(self.last(z).mean((2, 3)))


def test_gates_norms_pooling_and_additions_in_place_are_followed():
    torch.manual_seed(0)
    model, inputs = Odd().double().eval(), torch.randn(5, 3, 8, 8, dtype=torch.double)
    nn.init.normal_(model.norm.bias)
    check(model, {"two": "sum", "squeeze": "gate", "tail": "last"}, inputs)
    unpooled = seen(model, ["one"], inputs)["one"].clamp(min=0)
    assert torch.allclose(passed(model, ["one"], inputs)["one"], unpooled)


def test_the_view_with_a_memory_passes_on_the_same_in_any_subset():
    network = view(built(Residual), samples())
    whole = {layer: torch.cat([batch[layer] for batch in network.activations()]) for layer in LAYERS}
    (found,) = network.cached().subset([4, 1]).activations()
    assert all(torch.allclose(found[layer], whole[layer][[4, 1]]) for layer in LAYERS)


@pytest.mark.parametrize("criterion", [activation_mean, apoz, hrank])
def test_without_a_relu_nothing_is_cut_off(criterion):
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2)).double()
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([-1.0, -2.0]).reshape(2, 1, 1, 1)
    images = torch.tensor([[[[1.0, 2.0], [2.0, 3.0]]]]).double()
    scores = criterion.score(Network(model, ["0"], images))["0"].tolist()
    assert scores == {activation_mean: [2, 4], apoz: [0, 0], hrank: [2, 2]}[criterion]
