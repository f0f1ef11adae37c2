"""What is computed on a card is what is computed on the CPU: run by test_rehearsal.py in a process of its own.

On the card of rehearsal_card.py numbers are the CPU's own; on a real one (SECATEUR_TEST_DEVICE=cuda) they agree but for
rounding.
"""

import copy
import json
import os
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.criteria import networks as scored
from tests.hostile import run
from torch import Tensor, nn

import rehearsal_card
import secateur
from secateur.models import build, devices, evaluation, inputs, memory_format, training
from secateur.models.profiling import latency, peak_bytes
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.rank import Scoring, rank
from secateur.relevance.undisturbed import undisturbed
from secateur.repair import registry as remedies
from secateur.repair.view import Whole

NAMED = os.environ.get("SECATEUR_TEST_DEVICE", "rehearsal")
REHEARSED = NAMED == "rehearsal"
if REHEARSED:
    rehearsal_card.install(devices.KINDS)
ON = devices.chosen("auto" if REHEARSED else NAMED)
CPU = torch.device("cpu")
OF_EIGENVALUES = {"chip"}
"""Criteria with eigenvalues: for a subclass of tensors PyTorch finds the eigenvectors too, and rounds otherwise."""
RECIPE = {
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "label_smoothing": 0.1,
    "augmentation": {"flip": True, "shift": 0.1, "zoom": 0.8},
    "freeze": False,
    "mixed_precision": False,
}


def agree(found: Tensor, expected: Tensor, exact: bool = REHEARSED) -> None:
    """The same numbers; of a real card the same but for rounding, which is that of TF32 where they are not double."""
    found, expected = found.detach().cpu(), expected.detach().cpu()
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if exact:
        assert torch.equal(found, expected)
    else:
        scale = float(expected.abs().max()) if expected.numel() else 0.0
        part = 1e-8 if expected.dtype == torch.float64 else 1e-2
        torch.testing.assert_close(found, expected, rtol=part, atol=part * scale)


def agree_all(found: dict[str, Tensor], expected: dict[str, Tensor], exact: bool = REHEARSED) -> None:
    assert found.keys() == expected.keys() and found
    for name in found:
        agree(found[name], expected[name], exact)


def test_auto_takes_the_card():
    assert devices.chosen("auto").type == ON.type != "cpu"
    assert devices.of(ON).name() != devices.of(CPU).name()


@pytest.mark.parametrize("name", sorted(name for name, found in registry.find().items() if found.kind == "built-in"))
@pytest.mark.parametrize("kind", [scored.Chain, scored.Residual])
def test_a_criterion(name, kind):
    model = scored.built(kind)
    groups = find_unit_groups(model, scored.samples()[:1])
    scores = [
        rank(copy.deepcopy(model).to(on), groups, scored.samples().to(on), scored.LABELS.to(on),
             Scoring(registry.load(name), seed=1, batch_size=3))
        for on in (ON, CPU)
    ]  # fmt: skip
    agree_all(*scores, exact=REHEARSED and name not in OF_EIGENVALUES)


@pytest.mark.parametrize("name", remedies.names())
@pytest.mark.parametrize("kind", [scored.Chain, scored.Residual])
def test_a_remedy(name, kind):
    whole, images = scored.built(kind), scored.samples()
    groups = find_unit_groups(whole, images)
    selection = {group.name: list(range(0, group.size, 2))[: group.size - 1] for group in groups}
    found = []
    for on in (ON, CPU):
        model = copy.deepcopy(whole).to(on)
        view = Whole(model, images.to(on), 3)
        pruned = remove(model, groups, selection)
        found.append(remedies.repaired(remedies.load(name), view, pruned, groups, selection).state_dict())
    agree_all(*found)


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (24, 16, 16, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()


def a_network() -> nn.Module:
    entry = {"architecture": "vgg_small", "arguments": {"drop_rate": 0.2}}
    network = build.create(entry, 3, 1, seed=2)
    memory_format.lay_out(network, memory_format.chosen(network))
    return network


def trained(on: torch.device, pixels, **changed) -> nn.Module:
    network, images = a_network().to(on), inputs.Images(pixels, [0.5], [0.25], on)
    labels = (torch.arange(len(pixels)) % 3).to(on)
    assert images.resident and images.home.type == on.type
    training.train(network, images, labels, RECIPE | changed, 3, validation=(images.subset(slice(0, 9)), labels[:9]))
    return network


def test_training_on_images_that_stay_on_the_card(pixels):
    networks = [trained(on, pixels) for on in (ON, CPU)]
    agree_all(*(network.state_dict() for network in networks))
    images = [inputs.Images(pixels, [0.5], [0.25], on) for on in (ON, CPU)]
    assert images[0].home.type == ON.type
    agree(*(evaluation.logits(network, given) for network, given in zip(networks, images, strict=True)))


def test_images_that_do_not_fit_are_sent_batch_by_batch(pixels, monkeypatch):
    monkeypatch.setattr(type(devices.of(ON)), "free_bytes", lambda self: 10)
    images = inputs.Images(pixels, [0.5], [0.25], ON)
    assert not images.resident and images.device == ON and images[:2].device.type == ON.type
    agree(images[torch.tensor([3, 5])], inputs.Images(pixels, [0.5], [0.25], CPU)[torch.tensor([3, 5])])


def test_mixed_precision_is_used_where_the_device_has_it_and_weights_stay_float32(pixels, monkeypatch):
    on = CPU if REHEARSED else ON  # the card of the rehearsal has no kernels of autocast's
    monkeypatch.setattr(type(devices.of(on)), "bfloat16", lambda self: True)
    whole, mixed = (trained(on, pixels, mixed_precision=wanted).state_dict() for wanted in (False, True))
    assert all(tensor.dtype == torch.float32 for tensor in mixed.values())
    assert any(not torch.equal(whole[name].cpu(), mixed[name].cpu()) for name in whole)


def test_random_streams_are_put_back():
    if REHEARSED:
        pytest.skip("the card of the rehearsal draws from the CPU's stream")
    first = torch.rand(3, device=ON), torch.rand(3)
    with devices.fork_rng():
        torch.manual_seed(5)
        torch.rand(7, device=ON)
    second = torch.rand(3, device=ON), torch.rand(3)
    torch.manual_seed(0)
    assert all(not torch.equal(one, other) for one, other in zip(first, second, strict=True))
    torch.manual_seed(1)
    with devices.fork_rng():
        torch.rand(7, device=ON)
    kept = torch.rand(3, device=ON)
    torch.manual_seed(1)
    assert torch.equal(kept, torch.rand(3, device=ON))


def test_time_and_memory():
    network, images = a_network().to(ON).eval(), torch.rand(4, 1, 16, 16, device=ON)
    timed = latency(network, (1, 16, 16), batches=(1, 2), repeats=3)
    assert [each.batch for each in timed] == [1, 2] and all(each.median > 0 for each in timed)
    assert {each.device for each in timed} == {devices.of(ON).name()}
    found = peak_bytes(lambda: network(images), ON)
    network, images = network.to(CPU), images.cpu()
    expected = peak_bytes(lambda: network(images), CPU)
    assert found == expected if REHEARSED else 0 < found < 100 * expected


def test_looking_at_a_network_leaves_no_trace():
    network = a_network().to(ON).train()
    before = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
    with undisturbed(network):
        network(torch.rand(4, 1, 16, 16, device=ON))
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(tensor.cpu(), before[name]) for name, tensor in network.state_dict().items())


def test_prune(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 4), ("test", 3)):
        for number in range(count):
            for name in ("a", "b"):
                path = Path("images", split, name, f"{number}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.effect_noise((16, 16), 80).convert("RGB").save(path)
    torch.manual_seed(0)
    build.register("vgg_small")
    save_file(timm.create_model("vgg_small", num_classes=2).state_dict(), "weights.safetensors")
    for name in ("card", "cpu"):
        said = run(
            *("prune", "--arch", "vgg_small", "--weights", "weights.safetensors", "--data", "images", "--size", "16"),
            *("--samples-per-class", "2", "--rate", "0.4", "--criterion", "lrp", "--out", name),
            *("--device", str(ON) if name == "card" else name),
        )
        assert "error" not in said, said
    agree_all(*(load_file(Path(name, "weights.safetensors")) for name in ("card", "cpu")))
    found, expected = (json.loads(Path(name, "summary.json").read_text()) for name in ("card", "cpu"))
    for summary in (found, expected):
        for when in ("before", "after"):
            assert summary[when].pop("latency")
    assert found.keys() == expected.keys()
    if REHEARSED:
        assert found == expected


def test_the_library():
    """Images from the CPU go to where the network is; what comes back is as on the CPU."""
    model, images = scored.built(), scored.samples()
    rankings = [secateur.rank(copy.deepcopy(model).to(on), images, scored.LABELS, "taylor") for on in (ON, CPU)]
    agree_all(*(ranking.scores for ranking in rankings))
    pruned = [secateur.prune(copy.deepcopy(model).to(on), images, scored.LABELS, 0.3) for on in (ON, CPU)]
    assert next(pruned[0].parameters()).device.type == ON.type
    agree_all(*(network.state_dict() for network in pruned))


LEFT_BEHIND = {
    "a sum that starts on the CPU": "torch.zeros(size) + sum(batch.abs().sum((0, 2)) for batch in batches)",
    "a mask made on the CPU": "sum(batch.sum((0, 2)).where(torch.arange(size) > 1, 0) for batch in batches)",
    "a draw of the CPU's": "torch.rand(size, generator=network.generator, device=batches[0].device)",
    "an array": "batches[0].numpy().sum((0, 2))",
}


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_a_criterion_that_mixes_devices_is_found(what, tmp_path):
    """The negative control of the tests above."""
    (tmp_path / "left.py").write_text(
        '"""One that was tried on the CPU alone."""\n\nimport torch\n\nNEEDS = ("samples",)\n\n\n'
        "def score(network):\n"
        "    found = list(network.outputs())\n"
        "    scores = {}\n"
        "    for layer in network.layers:\n"
        "        batches = [batch[layer] for batch in found]\n"
        "        size = batches[0].shape[1]\n"
        f"        scores[layer] = {LEFT_BEHIND[what]}\n"
        "    return scores\n",
        encoding="utf-8",
    )
    model, samples = scored.built(), scored.samples()
    groups, criterion = find_unit_groups(model, samples[:1]), registry.load("left", [tmp_path])
    rank(model, groups, samples, None, Scoring(criterion, 1))
    with pytest.raises(Exception, match=r"device|generator"):
        rank(model.to(ON), groups, samples.to(ON), None, Scoring(criterion, 1))


def test_a_stage_that_leaves_a_batch_on_the_cpu_is_found(pixels, monkeypatch):
    form = memory_format.laid_out
    monkeypatch.setattr(memory_format, "laid_out", lambda tensor, wanted: form(tensor, wanted).cpu())
    with pytest.raises(RuntimeError, match="device"):
        trained(ON, pixels)
