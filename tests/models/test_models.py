"""Task models: named architectures, deterministic training, weights that fit or say why not."""

import numpy as np
import pytest
import timm
import torch
import yaml
from torch.nn import functional

from secateur.config import REPOSITORY, datasets, resolve
from secateur.data import store
from secateur.errors import SecateurError
from secateur.models import backbones, build, evaluation, inputs, training, weights

TINY = yaml.safe_load((REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
RECIPE = resolve(TINY)["training"]["transfer"] | {"epochs": 3, "batch_size": 8, "learning_rate": 0.01}
SMALL = {"architecture": "vgg_small", "arguments": {}}
RESIDUAL = {"architecture": "resnet18", "arguments": {"channels": [4, 8, 8, 8]}}


def problem(samples=20, size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, 1, size, size, generator=generator), torch.arange(samples) % 3


def test_architecture_names_are_timms_without_importing_it():
    import secateur.models.small

    assert secateur.models.small.vgg_small is not None
    # timm can also be asked at run time; names that it only forwards (deprecated ones) are not listed.
    assert set(timm.list_models()) <= set(build.architectures())


def test_unknown_architecture_suggests_the_nearest():
    with pytest.raises(SecateurError, match="resnet18"):
        build.check_architecture("resnet1818", "backbones.a.architecture")
    build.check_architecture("resnet18.a1_in1k", "backbones.a.architecture")


def test_wrong_arguments_are_one_error():
    with pytest.raises(SecateurError, match="cannot be built with the arguments"):
        build.create({"architecture": "resnet18", "arguments": {"width": 3}}, 3, 1, 0)
    with pytest.raises(SecateurError, match="resnet18 cannot be built with the arguments .*: not all"):
        build.create({"architecture": "resnet18", "arguments": {"channels": ["a", 1, 1, 1]}}, 3, 1, 0)


def test_a_network_of_ones_own_without_a_head_to_replace_is_one_error(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: torch.nn.Conv2d(1, 3, 3))
    with pytest.raises(
        SecateurError, match="the network mine has no get_classifier and no reset_classifier.*alexnet.py"
    ):
        build.create({"architecture": "mine", "arguments": {}}, 3, 1, 0)


@pytest.mark.parametrize("backbone", [SMALL, RESIDUAL])
def test_same_seed_same_network_and_the_global_stream_is_untouched(backbone):
    before = torch.get_rng_state()
    networks = [build.create(backbone, 3, 1, seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    states = [torch.cat([value.flatten().float() for value in network.state_dict().values()]) for network in networks]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_training_learns_is_deterministic_and_leaves_the_global_stream_alone():
    images, labels = problem()
    states = []
    for _ in range(2):
        network = build.create(SMALL, 3, 1, 0)
        before = torch.get_rng_state()
        start = evaluation.evaluate(network, images, labels, 3).loss
        training.train(network, images, labels, RECIPE | {"epochs": 20}, seed=5)
        assert torch.equal(before, torch.get_rng_state())
        assert not network.training
        assert evaluation.evaluate(network, images, labels, 3).loss < start / 2
        states.append(torch.cat([value.flatten() for value in network.state_dict().values()]))
    assert torch.equal(*states)


def test_sample_order_does_not_depend_on_the_network():
    """The paired design: a pruned network sees the batches that the unpruned one sees."""

    class Recorder(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer = torch.nn.Linear(1, width)
            self.seen = []

        def forward(self, batch):
            self.seen.append(batch.flatten().tolist())
            return functional.dropout(self.layer(batch), 0.5, self.training)[:, :2]

    inputs_, labels = torch.arange(20.0)[:, None], torch.arange(20) % 2
    seen = []
    for width in (2, 7):
        network = Recorder(width)
        training.train(network, inputs_, labels, RECIPE, seed=3)
        seen.append(network.seen)
    assert seen[0] == seen[1] and sorted(value for batch in seen[0][:3] for value in batch) == list(range(20))


def test_evaluation_counts_as_by_hand():
    class Fixed(torch.nn.Module):
        def forward(self, batch):
            return batch

    logits = torch.tensor([[2.0, 0, 0], [0, 2, 0], [2, 0, 0], [0, 0, 2]])
    labels = torch.tensor([0, 1, 1, 2])
    found = evaluation.evaluate(Fixed(), logits, labels, 3, batch_size=3)
    assert found.accuracy == 0.75 and found.worst_class == 1 and found.worst_class_accuracy == 0.5
    assert found.loss == pytest.approx(float(functional.cross_entropy(logits.double(), labels)), rel=1e-12)


def test_weights_come_back_bit_for_bit_and_what_does_not_fit_is_listed(tmp_path):
    path = tmp_path / "models.safetensors"
    networks = {seed: build.create(RESIDUAL, 3, 1, seed) for seed in (0, 1)}
    weights.save(path, {seed: network.state_dict() for seed, network in networks.items()})
    fresh = build.create(RESIDUAL, 3, 1, 7)
    weights.load_into(fresh, path, 1)
    for name, value in networks[1].state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name])
    with pytest.raises(SecateurError, match=r"seed 0.*fc\.weight has shape"):
        weights.load_into(build.create(RESIDUAL, 4, 1, 0), path, 0)
    with pytest.raises(SecateurError, match=r"seed 5.*missing conv1\.weight \(\d+, \d+, \d, \d\)"):
        weights.load_into(fresh, path, 5)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SecateurError, match="not a readable weights file"):
        weights.load_into(fresh, path, 0)


def test_a_transferred_backbone_keeps_its_own_head(tmp_path):
    path = tmp_path / "backbone.safetensors"
    source, target = build.create(SMALL, 5, 1, 0), build.create(SMALL, 3, 1, 1)
    weights.save(path, {0: source.state_dict()})
    head = target.get_classifier().weight.clone()
    backbones.take_over(target, path)
    assert torch.equal(target.get_classifier().weight, head)
    assert torch.equal(target.features[0].weight, source.features[0].weight)


def test_an_images_floats_are_the_same_however_the_batch_is_cut():
    array = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    found = inputs.Images(array, mean, std, torch.device("cpu"))
    expected = ((torch.from_numpy(array).double() / 255 - torch.tensor(mean)) / torch.tensor(std)).permute(0, 3, 1, 2)
    assert found.shape == (7, 3, 5, 4) and len(found) == 7
    assert torch.allclose(found[:].double(), expected, atol=1e-6)
    for index in (slice(2, 5), [4, 0, 4], np.array([6, 1]), torch.tensor([3])):
        where = index if isinstance(index, slice) else torch.as_tensor(index)
        assert torch.equal(found[index], found[:][where])
        assert torch.equal(found.subset(index)[:], found[:][where])
    assert torch.equal(torch.cat(list(found.split(3))), found[:])
    some = found.subset([5, 2, 3])
    assert len(some) == 3 and torch.equal(some.subset([2, 0])[:], found[[3, 5]]) and not some[1:].is_contiguous()
    assert some[1:].is_contiguous(memory_format=torch.channels_last)  # as the bytes lie: nothing was transposed


def test_images_that_are_not_prepared_are_refused(tmp_path):
    store.make("digits_target", datasets()["digits_target"], tmp_path / "made", tmp_path / "none.dvc")
    with pytest.raises(SecateurError, match="secateur data prepare"):
        inputs.images(store.load(tmp_path / "made"), "train", torch.device("cpu"))
