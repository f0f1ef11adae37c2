"""rank, prune, units and relevance: what they give, what they leave alone, and what they refuse."""

import copy

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import secateur
from secateur.models import memory_format
from secateur.own.pruning import prune_own_network
from secateur.own.request import Request
from secateur.pruning.counting import count
from secateur.pruning.saved import load
from secateur.ranking.network import Network

SMALL = {"channels": [8, 8, 16, 16], "num_classes": 3}


@pytest.mark.slow
def test_the_command_line_and_the_library_remove_the_same_units(model, pictures, tmp_path):
    """Two doors, one core: the same folder, seed and rate give the same network, bit for bit."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "train").symlink_to(pictures)
    (tmp_path / "images" / "test").symlink_to(pictures)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    prune_own_network(Request(
        architecture="resnet18", arguments=SMALL, weights=tmp_path / "weights.safetensors", data=tmp_path / "images",
        criterion="lrp", samples_per_class=2, rate=0.4, seed=3, size=32, output=tmp_path / "out", device="cpu",
    ))  # fmt: skip
    theirs = load(tmp_path / "out")
    laid_out = copy.deepcopy(model)  # as the command line does: the same kernels round alike
    memory_format.lay_out(laid_out, memory_format.chosen(laid_out))
    ours = secateur.prune(laid_out, pictures, rate=0.4, samples_per_class=2, random_state=3, size=32)
    assert ours.report.kept == theirs.kept
    assert all(torch.equal(one, theirs.model.state_dict()[name]) for name, one in ours.state_dict().items())


def test_a_ranking_is_the_criterions_own_numbers(model, images, labels):
    """Weight, by hand: Σ|w| of each filter with batch-norm folded in, normalised by layer, summed over a unit."""
    found = secateur.rank(model, criterion="weight", size=32)
    network = Network(model, ["layer1.0.conv1"], images)
    by_hand = network.weight("layer1.0.conv1").double().abs().sum(1)
    assert torch.allclose(found["layer1.0.conv1"], by_hand / by_hand.norm())
    assert found.samples == 0 and set(found) == {group.name for group in found.units}
    group, unit, score = found.lowest(1)[0]
    assert score == min(float(scores.min()) for scores in found.values()) == float(found[group][unit])
    assert secateur.rank(model, images, labels, criterion="weight").scores.keys() == found.scores.keys()


def test_a_criterion_may_be_a_function(model, images, labels):
    def mine(network, *, power=1.0):
        return {layer: network.weight(layer).double().abs().sum(1) ** power for layer in network.layers}

    found = secateur.rank(model, images, labels, criterion=mine, normalisation="none", options={"power": 2.0})
    built_in = secateur.rank(model, images, labels, criterion="weight", normalisation="none", combine="max")
    assert found.criterion == "mine"
    name = "layer1.0.conv1"
    assert torch.allclose(found[name], built_in[name] ** 2, rtol=1e-4)  # the built-in one sums in single precision
    with pytest.raises(secateur.SecateurError, match="unknown option 'powr'; it has: power"):
        secateur.rank(model, images, labels, criterion=mine, options={"powr": 2.0})


@pytest.mark.parametrize(("budget", "rate"), [("units", 0.3), ("params", 0.5), ("macs", 0.25)])
def test_a_pruned_network_is_smaller_by_what_was_asked_and_its_report_says_so(model, images, labels, budget, rate):
    before = copy.deepcopy(model.state_dict())
    pruned = secateur.prune(model, images, labels, rate=rate, criterion="taylor", budget=budget, test=(images, labels))
    report = pruned.report
    assert type(pruned) is type(model) and not pruned.training
    assert report.counts.before == count(model, (3, 32, 32)) and report.counts.after == count(pruned, (3, 32, 32))
    assert sum(p.numel() for p in pruned.parameters()) == report.counts.after.params
    total, gone = (sum(one[key] for one in report.units.values()) for key in ("at_first", "removed"))
    assert gone == sum(map(len, report.removed.values()))
    share = {
        "units": gone / total,
        "params": 1 - report.counts.after.params / report.counts.before.params,
        "macs": 1 - report.counts.after.macs / report.counts.before.macs,
    }[budget]
    assert share == pytest.approx(rate, abs=0.5 / total) if budget == "units" else share >= rate
    with torch.inference_mode():
        accuracies = [float((net(images).argmax(1) == labels).double().mean()) for net in (model, pruned)]
    assert [report.tests.before.accuracy, report.tests.after.accuracy] == pytest.approx(accuracies)
    shown = report._repr_html_()
    assert f"{report.counts.after.params:,}" in shown and "taylor" in shown and "fc" in report.left_out
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert "report" not in vars(model)


def test_nothing_of_the_model_is_touched_not_even_modes_and_random_states(images, labels):
    model = timm.create_model("resnet18", **SMALL).train()
    model.layer1.eval()  # frozen batch-norm, as people fine-tune
    model.conv1.weight.requires_grad_(False)
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    secateur.rank(model, images, labels, criterion="taylor")
    secateur.prune(model, images, labels, test=(images, labels))
    secateur.relevance(model, images)
    secateur.units(model, images)
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(torch.equal(one, other) for one, other in zip(model.buffers(), buffers, strict=True))
    assert torch.equal(torch.rand(3), expected[0]) and (np.random.rand(3) == expected[1]).all()  # noqa: NPY002


@pytest.mark.slow
def test_random_state_is_scikit_learns(model, images, labels):
    def scores(state):
        return torch.cat(list(secateur.rank(model, images, labels, criterion="random", random_state=state).values()))

    assert torch.equal(scores(1), scores(1)) and torch.equal(scores(0), scores(np.int64(0)))
    assert not torch.equal(scores(1), scores(2)) and not torch.equal(scores(None), scores(None))
    assert torch.equal(scores(np.random.default_rng(4)), scores(np.random.default_rng(4)))
    assert torch.equal(scores(np.random.RandomState(4)), scores(np.random.RandomState(4)))
    generator = np.random.default_rng(4)
    assert not torch.equal(scores(generator), scores(generator))


@pytest.mark.slow
def test_one_ranking_serves_several_rates(model, images, labels):
    ranking = secateur.rank(model, images, labels)
    for rate in (0.2, 0.5):
        once = secateur.prune(model, images, labels, rate=rate)
        again = secateur.prune(model, images[:2], rate=rate, criterion=ranking)
        assert again.report.removed == once.report.removed and again.report.samples == 12
    other = timm.create_model("resnet18", num_classes=3)
    with pytest.raises(secateur.SecateurError, match="unit groups|another network"):
        secateur.prune(timm.create_model("vgg11", num_classes=3), images, rate=0.5, criterion=ranking)
    assert other is not None


def test_a_pruned_network_can_be_pruned_on_and_keeps_its_record(model, images, labels):
    once = secateur.prune(model, images, labels, rate=0.3)
    twice = secateur.prune(once, images, labels, rate=0.3)
    for layer, channels in twice.report.kept.items():
        assert set(channels) <= set(once.report.kept[layer])
        assert len(channels) == getattr(twice.get_submodule(layer), "out_channels", 3)
    weight = model.get_submodule("layer2.0.conv1").weight
    kept = twice.report.kept["layer2.0.conv1"], twice.report.kept["layer1.1.conv2"]
    assert torch.equal(twice.get_submodule("layer2.0.conv1").weight, weight[kept[0]][:, kept[1]])


def test_units_are_counted_and_what_is_left_out_has_a_reason(model, images):
    found = secateur.units(model, images[0])
    assert found.total == sum(group.size for group in found) and len(found) == len(found[:])
    assert found.left_out == {"fc": "an output of the network"}
    assert "layer1.0.conv1" in found._repr_html_() and "residual" in found._repr_html_()
    assert len(secateur.units(model, images, scope="inner")) < len(found)
    assert [group.name for group in secateur.units(model)] == [group.name for group in found]


def test_relevance_is_that_of_the_engine_and_conserved_on_a_chain(images, labels):
    chain = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(6 * 49, 3, bias=False)
    )
    found = secateur.relevance(chain, images, labels)
    assert found.shape == images.shape
    assert torch.allclose(found.sum((1, 2, 3)), torch.ones(12), atol=1e-4)
    network = Network(chain, ["0"], images, labels)
    (expected,) = network.relevance("zplus")
    assert torch.equal(secateur.relevance(chain, images, labels, layers=["0"], batch_size=5)["0"].shape and
                       secateur.relevance(chain, images, labels, layers=["0"])["0"], expected["0"])  # fmt: skip
    predicted = chain(images).argmax(1)
    assert torch.equal(secateur.relevance(chain, images), secateur.relevance(chain, images, predicted))
    assert not torch.equal(found, secateur.relevance(chain, images, labels, rule="epsilon"))


@pytest.mark.slow
def test_every_form_of_images_is_one_argument(model, images, labels):
    expected = secateur.prune(model, images, labels).report.removed
    dataset = TensorDataset(images, labels)
    for given in (dataset, DataLoader(dataset, batch_size=5), list(zip(images, labels, strict=True))):
        assert secateur.prune(model, given).report.removed == expected
    assert secateur.prune(model, images.numpy(), labels.tolist()).report.removed == expected


def bad(model, images, labels):
    """Name → (what is called, what it says)."""
    rank, prune = secateur.rank, secateur.prune
    wrong = labels.clone()
    wrong[3] = 3
    nan = images.clone()
    nan[2, 0, 0, 0] = torch.nan
    headless = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    return {
        "no network": (lambda: rank("resnet18", images, labels), "a str; needed is a torch.nn.Module"),
        "no images": (lambda: rank(model), "looks at images. Give images and labels"),
        "no labels": (lambda: rank(model, images), "labels: there are none"),
        "fewer labels": (lambda: rank(model, images, labels[:-1]), "inconsistent numbers of samples, 12 and 11"),
        "label too high": (lambda: rank(model, images, wrong), "3 is among them.*3 classes apart: allowed are 0 to 2"),
        "label too low": (lambda: rank(model, images, labels - 1), "-1 is among them"),
        "one-hot labels": (lambda: rank(model, images, nn.functional.one_hot(labels)), r"of shape \(12, 3\)"),
        "float labels": (lambda: rank(model, images, labels.float()), "type float32; needed is one class index"),
        "one image": (lambda: rank(model, images[0], labels[:1]), r"of shape \(3, 32, 32\); needed is N × channels"),
        "no image at all": (lambda: rank(model, images[:0], labels[:0]), "there are none"),
        "not finite": (lambda: rank(model, nan, labels), "NaN or infinity"),
        "whole numbers": (lambda: rank(model, images.long(), labels), "of type torch.int64; allowed are floats"),
        "wrong channels": (lambda: rank(model, images[:, :1], labels), "ResNet cannot take images of 1 × 32 × 32"),
        "text": (lambda: rank(model, 3.5, labels), "a float; allowed are a tensor"),
        "no such folder": (lambda: rank(model, "nowhere"), "there is no folder nowhere"),
        "no classifier": (lambda: rank(headless, images, labels), r"gives \(1, 4, 28, 28\).*1 × classes"),
        "criterion": (lambda: rank(model, images, labels, criterion="lpr"), "unknown criterion 'lpr'.*Did you mean"),
        "criterion's kind": (lambda: rank(model, images, labels, criterion=3), "a int; give a name, or a function"),
        "setting": (lambda: rank(model, images, labels, batchsize=3), "'batchsize'.*Did you mean 'batch_size'"),
        "prune's setting": (lambda: rank(model, images, labels, min_units=3), "'min_units': there is no such setting"),
        "random state": (lambda: rank(model, images, labels, random_state="a"), "random_state: 'a'"),
        "too few": (lambda: rank(model, images, labels, samples_per_class=9), "9 reference samples asked for"),
        "half an image": (lambda: rank(model, images, labels, samples_per_class=0.5), "a number of at least 1"),
        "scope": (lambda: rank(model, images, labels, scope="outer"), "scope 'outer'"),
        "rate": (lambda: prune(model, images, labels, rate=1), "rate: 1; a fraction"),
        "rate in percent": (lambda: prune(model, images, labels, 30), "rate: 30; a fraction"),
        "remedy": (lambda: prune(model, images, labels, remedy="balm"), "unknown remedy 'balm'; known are none"),
        "remedy without images": (lambda: prune(model, criterion="weight", size=32, remedy="bias"), "looks at images"),
        "budget": (lambda: prune(model, images, labels, budget="flops"), "budget 'flops': allowed are units"),
        "out of reach": (lambda: prune(model, images, labels, rate=0.999), "The highest rate is"),
        "test without labels": (lambda: prune(model, images, labels, test=images), "test: its images have no labels"),
        "relevance of nothing": (lambda: secateur.relevance(model, None), "relevance is that of images"),
        "rule": (lambda: secateur.relevance(model, images, labels, rule="zpluss"), "zpluss"),
        "layer": (lambda: secateur.relevance(model, images, labels, layers=["conv9"]), "Layer 'conv9'"),
        "units of nothing": (lambda: secateur.units(nn.Linear(3, 3)), "does not say what size"),
    }  # fmt: skip


@pytest.mark.parametrize("name", [*bad(None, torch.zeros(12, 3, 1, 1), torch.zeros(12, dtype=torch.int64))])
def test_bad_input_is_one_clear_error(model, images, labels, name):
    called, message = bad(model, images, labels)[name]
    with pytest.raises(secateur.SecateurError, match=message) as found:
        called()
    assert "\n" not in str(found.value)
    if name not in ("criterion", "too few", "scope", "budget", "out of reach", "rule", "layer", "remedy"):
        assert isinstance(found.value, ValueError)
