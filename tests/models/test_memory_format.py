"""Networks and images live in one memory format: no pass converts it, and sums do not depend on how they came by it."""

import numpy as np
import pytest
import timm
import torch
from tests.tiers import rows
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode

from secateur.models import build, inputs, memory_format, training
from secateur.models.evaluation import logits
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups, layers_of
from secateur.ranking.network import Network

LAST = torch.channels_last
RECIPE = {
    "epochs": 1,
    "batch_size": 6,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "optimizer": "adamw",
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "freeze": False,
    "mixed_precision": False,
    "augmentation": {"flip": True, "shift": 0.1, "zoom": 0.8},
}
NETWORKS = {
    "resnet18": {"channels": (8, 8, 12, 16)},
    "vgg_bn_small": {},
    "mobilenetv2_050": {},
    "densenet121": {"growth_rate": 4, "block_config": (2, 2, 2, 2)},
}
MOVING = ("clone", "copy", "contiguous", "convolution", "batch_norm", "pool", "cat")


class Conversions(TorchDispatchMode):
    """Notes operations that give or take a whole batch of maps in another order than channels last."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least, self.found = least, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        del types
        result = function(*args, **(kwargs or {}))
        if any(word in str(function) for word in MOVING):
            for tensor in tree.tree_leaves((args, kwargs, result)):
                if isinstance(tensor, torch.Tensor) and tensor.dim() == 4 and tensor.numel() >= self.least:
                    dense = tensor.is_contiguous() and not tensor.is_contiguous(memory_format=LAST)
                    self.found += [f"{function} {tuple(tensor.shape)}"] if dense else []
        return result


def network_of(name, form="auto"):
    build.register(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name, num_classes=3, **NETWORKS.get(name, {})).eval()
    memory_format.lay_out(network, memory_format.chosen(network, form))
    return network


def pictures(size=32):
    pixels = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    return inputs.Images(pixels, (0.5,) * 3, (0.25,) * 3, torch.device("cpu")), torch.arange(12) % 3


@pytest.mark.parametrize(
    ("architecture", "arguments", "expected"),
    [
        ("resnet18", {"channels": (8, 8, 8, 8)}, torch.channels_last),
        ("mobilenetv2_050", {}, torch.channels_last),
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 1}, torch.contiguous_format),
    ],
)
def test_the_rule_goes_by_the_kind_of_network_and_a_name_overrides_it(architecture, arguments, expected):
    network = timm.create_model(architecture, num_classes=2, **arguments)
    assert memory_format.of(network) is torch.contiguous_format
    assert memory_format.chosen(network) is expected
    memory_format.lay_out(network, memory_format.chosen(network))
    assert memory_format.of(network) is expected
    for name, form in memory_format.NAMED.items():
        memory_format.lay_out(network, memory_format.chosen(network, name))
        assert memory_format.of(network) is form


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 3, 1, 1), (4, 1, 1, 1), (1, 3, 5, 2), (4, 3, 2, 2), (5, 2), (3,)])
def test_strides_are_the_formats_own_also_where_a_size_of_one_leaves_them_open(shape):
    for form in (torch.channels_last, torch.contiguous_format):
        order = form if len(shape) == 4 else torch.contiguous_format
        expected = torch.empty(shape, memory_format=order)
        for given in (torch.rand(shape), torch.empty(shape, memory_format=order).fill_(2)):
            found = memory_format.laid_out(given, form)
            assert torch.equal(found, given) and found.stride() == expected.stride()
            assert memory_format.laid_out(found, form) is found


@pytest.mark.parametrize("name", rows(NETWORKS, ["resnet18", "vgg_bn_small"]))
def test_no_pass_converts_maps(name):
    """Evaluation, training, gradients and relevance leave every map of the first layers' size as it lies."""
    network, (images, labels) = network_of(name), pictures()
    groups = find_unit_groups(network, images[:1])
    layers = layers_of(groups)
    view = Network(network, layers, images, labels, batch_size=6, groups=groups)
    # Global pooling hands down a gradient in rows; it is small, and the layer that takes it orders it for itself.
    least = images[:6].numel() // 2
    with Conversions(least) as seen:
        logits(network, images, batch_size=6)
        for _ in (
            *view.outputs(), *view.gradients(), *view.relevance("epsilon"), *view.relevance("zplus"),
            *view.relevance("alpha2beta1"), *view.relevance("zplus", additions="positive"), *view.differences(),
        ):  # fmt: skip
            pass
        half = remove(network, groups, {group.name: list(range(group.size // 2)) for group in groups})
        assert memory_format.of(half) is torch.channels_last
        logits(half, images, batch_size=6)
    assert seen.found == []
    with Conversions(least) as seen:
        training.train(network, images, labels, RECIPE, seed=0)
    # The resampling of an augmented batch is the one place that writes rows.
    assert all("copy_" in one for one in seen.found) and len(seen.found) <= 2 * 2


def test_the_watch_notices_images_in_another_format():
    network, (images, _) = network_of("resnet18"), pictures()
    batch = images[:6].contiguous()
    with torch.no_grad(), Conversions(batch.numel() // 2) as seen:
        network(batch)
    assert seen.found


@pytest.mark.parametrize("name", rows(["resnet18", "mobilenetv2_050"], ["resnet18"]))
@pytest.mark.parametrize("form", ["channels_last", "contiguous"])
def test_a_pruned_network_sums_alike_whether_it_was_cut_or_loaded(name, form):
    network, (images, _) = network_of(name, form), pictures()
    groups = find_unit_groups(network, images[:1])
    selection = {group.name: [0, 2] for group in groups if group.size > 2}
    cut = remove(network, groups, selection)
    again = remove(network_of(name, form), groups, selection)
    again.load_state_dict({key: value.contiguous() for key, value in cut.state_dict().items()})
    for tensor, other in zip(cut.state_dict().values(), again.state_dict().values(), strict=True):
        assert tensor.stride() == other.stride()
    assert torch.equal(logits(cut, images), logits(again, images))


def test_both_formats_compute_the_same_up_to_rounding():
    images, labels = pictures()
    found = {form: network_of("resnet18", form) for form in memory_format.NAMED}
    one, other = (logits(network, images) for network in found.values())
    assert (one - other).abs().max() < 1e-5 * one.abs().max()
    recipe = RECIPE | {"optimizer": "sgd"}  # adamw takes whole steps where the sign of a gradient is rounding alone
    for network in found.values():
        training.train(network, images, labels, recipe, seed=0)
    one, other = (logits(network, images) for network in found.values())
    assert (one - other).abs().max() < 1e-4 * one.abs().max()


def test_a_new_head_has_the_networks_format():
    network = network_of("vgg_bn_small")
    build.reset_head(network, 5, 0)
    assert memory_format.of(network) is torch.channels_last
    assert all(tensor.stride() == memory_format.laid_out(tensor, LAST).stride() for tensor in network.parameters())
