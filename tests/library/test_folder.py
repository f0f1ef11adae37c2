"""A pruned network on disk: loaded by Secateur, by its load.py where Secateur is not, by timm; its card; errors."""

import json
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from tests.tiers import rows
from torch import nn

import secateur
from secateur.models.build import register
from secateur.portability import loader
from secateur.pruning.saved import build_unpruned

LOADED = """
    import sys
    sys.path.insert(0, {folder!r})
    from load import load
    import torch
    from safetensors.torch import load_file

    assert not any(name.partition(".")[0] == "secateur" for name in sys.modules)
    tried = load_file({tried!r})
    with torch.inference_mode():
        assert torch.equal(load()(tried["images"]), tried["outputs"])
"""
CASES = {  # chain, residual, squeeze-excite with depthwise, grouped, MLP of a ViT, torchvision's, ours
    "vgg11_bn": ({"num_classes": 3, "mlp_ratio": 0.125}, 32),
    "resnet10t": ({"num_classes": 3}, 64),
    "mobilenetv3_small_050": ({"num_classes": 3}, 64),
    "regnety_002": ({"num_classes": 3}, 64),
    "vit_tiny_patch16_224": ({"num_classes": 3, "img_size": 32}, 32),
    "torchvision/squeezenet1_1": ({"num_classes": 3}, 64),
    "vgg_bn_small": ({"num_classes": 3}, 32),
    "alexnet": ({"num_classes": 3}, 64),
}


def network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_unpruned(name, CASES[name][0]).eval()


@pytest.mark.parametrize("name", rows(CASES, []))
def test_every_kind_of_network_loads_bit_for_bit_with_and_without_secateur(name, tmp_path, elsewhere):
    arguments, side = CASES[name]
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    pruned = secateur.prune(network(name), images, criterion="weight", rate=0.4, scope="all")
    given = {} if name not in ("torchvision/squeezenet1_1", "vgg_bn_small") else {
        "architecture": name, "arguments": arguments
    }  # fmt: skip
    secateur.save(pruned, tmp_path / "pruned", **given)
    with torch.inference_mode():
        outputs = pruned(images)
        loaded = secateur.load(tmp_path / "pruned")
        assert torch.equal(loaded(images), outputs) and not loaded.training
    assert loaded.origin.kept == pruned.report.kept
    save_file({"images": images, "outputs": outputs}, tmp_path / "tried.safetensors")
    elsewhere.run(LOADED.format(folder=str(tmp_path / "pruned"), tried=str(tmp_path / "tried.safetensors")))
    ours = name in ("vgg_bn_small", "alexnet")
    assert (tmp_path / "pruned" / "architecture.py").exists() is ours
    assert not (ours and (tmp_path / "pruned" / "timm.txt").exists()), "timm alone does not know it"


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["batch_norm", "bias", "least_squares"])
def test_a_repaired_network_loads_too_with_the_biases_that_it_gained(remedy, tmp_path, elsewhere):
    """DenseNet's convolutions have no bias and no batch-norm of their own: a remedy gives them one."""
    arguments = {"growth_rate": 8, "block_config": (2, 2), "num_classes": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dense = timm.create_model("densenet121", **arguments).eval()
    images = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pruned = secateur.prune(dense, images, torch.arange(6) % 3, criterion="taylor", rate=0.4, remedy=remedy)
    plain = secateur.prune(dense, images, torch.arange(6) % 3, criterion="taylor", rate=0.4)
    assert pruned.report.removed == plain.report.removed and remedy in str(pruned.report)
    with torch.inference_mode():
        outputs = pruned(images)
        assert not torch.equal(outputs, plain(images))
    gained = set(pruned.state_dict()) - set(dense.state_dict())
    assert all(name.endswith(".bias") for name in gained) and bool(gained) is (remedy != "batch_norm")
    secateur.save(pruned, tmp_path / "pruned", architecture="densenet121", arguments=arguments)
    with torch.inference_mode():
        assert torch.equal(secateur.load(tmp_path / "pruned")(images), outputs)
    save_file({"images": images, "outputs": outputs}, tmp_path / "tried.safetensors")
    elsewhere.run(LOADED.format(folder=str(tmp_path / "pruned"), tried=str(tmp_path / "tried.safetensors")))
    assert f"by the remedy {remedy}" in (tmp_path / "pruned" / "README.md").read_text()


def test_the_loader_is_short_and_imports_torch_and_timm_alone():
    text = Path(loader.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.strip().startswith(("import ", "from "))
    }
    assert imported <= {
        "importlib",
        "json",
        "sys",
        "pathlib",
        "typing",
        "torch",
        "safetensors",
        "torchvision",
        "timm",
        "load",
    }


@pytest.fixture(scope="module")
def pruned(model, images, labels):
    return secateur.prune(model, images, labels, rate=0.4, test=(images, labels))


@pytest.fixture
def folder(pruned, tmp_path):
    return secateur.save(
        pruned, tmp_path / "pruned", dataset="noise", licence="mit", base_model="timm/resnet18.a1_in1k"
    )


def test_where_timm_can_it_rebuilds_the_network_from_a_string(folder, pruned, images):
    from timm.models._prune import adapt_model_from_string

    about = json.loads((folder / "network.json").read_text())
    rebuilt = timm.create_model(about["architecture"], **{
        key: tuple(value) if isinstance(value, list) else value for key, value in about["arguments"].items()
    })  # fmt: skip
    rebuilt = adapt_model_from_string(rebuilt, (folder / "timm.txt").read_text().strip())
    rebuilt.load_state_dict(load_file(folder / "weights.safetensors"))
    with torch.inference_mode():
        assert torch.equal(rebuilt.eval()(images), pruned(images))


@pytest.mark.slow
def test_where_timm_cannot_there_is_no_string(tmp_path):
    """timm's function leaves linear layers' outputs as they were, so the MLPs of a ViT are beyond it."""
    pruned = secateur.prune(network("vit_tiny_patch16_224"), torch.randn(1, 3, 32, 32), criterion="weight", rate=0.4)
    secateur.save(pruned, tmp_path / "pruned")
    assert not (tmp_path / "pruned" / "timm.txt").exists()
    assert "timm itself" not in (tmp_path / "pruned" / "README.md").read_text()


def test_a_network_that_was_loaded_and_trained_is_saved_as_it_is_and_its_card_says_so(pruned, folder, images, tmp_path):
    trained = secateur.load(folder)
    assert str(trained.report) == str(pruned.report) and vars(trained.report).keys() == vars(pruned.report).keys()
    secateur.save(trained, tmp_path / "same")
    assert "Nothing was trained afterwards" in (tmp_path / "same" / "README.md").read_text()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    secateur.save(trained, tmp_path / "trained")
    with torch.inference_mode():
        assert torch.equal(secateur.load(tmp_path / "trained")(images), trained(images))
        assert not torch.equal(trained(images), pruned(images))
    text = (tmp_path / "trained" / "README.md").read_text()
    assert "have changed since" in text and "model-index" not in text


def test_a_broken_report_is_one_clear_error(folder):
    (folder / "report.json").write_text('{"criterion": "lrp"}')
    with pytest.raises(secateur.SecateurError, match="is no report of a pruning"):
        secateur.load(folder)


def test_half_precision_and_another_memory_format_survive(model, images, labels, tmp_path):
    pruned = secateur.prune(model, images, labels, rate=0.4).to(memory_format=torch.channels_last).bfloat16()
    secateur.save(pruned, tmp_path / "pruned")
    loaded = secateur.load(tmp_path / "pruned")
    state = pruned.state_dict()
    assert all(
        torch.equal(one, state[name]) and one.dtype == state[name].dtype for name, one in loaded.state_dict().items()
    )


def test_the_card_is_the_hubs_and_tells_what_was_done(folder, pruned):
    card = ModelCard.load(folder / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "mit" and data["base_model"] == "timm/resnet18.a1_in1k"
    assert data["pipeline_tag"] == "image-classification" and "pruning" in data["tags"]
    (result,) = card.data.eval_results
    assert result.dataset_name == "noise" and result.metric_value == pytest.approx(
        pruned.report.tests.after.accuracy, abs=1e-6
    )
    before, after = (test.accuracy for test in pruned.report.tests)
    assert f"{before:.4f} before, {after:.4f} after" in card.text and "on 12 images" in card.text
    for group, units in pruned.report.units.items():
        assert f"| {group} | {units['at_first']} | {units['removed']} |" in card.text
    assert json.loads((folder / "report.json").read_text())["counts"]["after"] == pruned.report.counts.after._asdict()


def test_what_is_not_known_the_card_does_not_say(model, images, labels, tmp_path):
    secateur.save(secateur.prune(model, images, labels), tmp_path / "pruned")
    card = ModelCard.load(tmp_path / "pruned" / "README.md")
    assert card.data.eval_results is None and card.data.license == "unknown"
    assert "not measured" in card.text and "Of the weights: not stated" in card.text


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_exports_give_the_networks_outputs_at_any_batch(pruned, tmp_path, images, form):
    secateur.save(pruned, tmp_path, export=form)
    with torch.no_grad():
        expected = pruned(images)
    for some in (slice(0, 1), slice(0, 12)):
        if form == "torch":
            with torch.no_grad():
                found = torch.export.load(tmp_path / "network.pt2").module()(images[some])
        else:
            onnxruntime = pytest.importorskip("onnxruntime")
            session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
            found = torch.from_numpy(session.run(["logits"], {"images": images[some].numpy()})[0])
        assert torch.allclose(found, expected[some], atol=1e-5)


@pytest.mark.slow
def test_exporting_leaves_the_network_as_it_was(pruned, tmp_path, images):
    with torch.no_grad():
        before = pruned(images)
        secateur.save(pruned, tmp_path, export=["onnx", "torch"])
        assert torch.equal(pruned(images), before) and pruned.report is not None


def test_bad_input_is_one_clear_error_and_leaves_nothing(pruned, model, images, labels, tmp_path, monkeypatch):
    exchanged = secateur.prune(model, images, labels)
    exchanged.act1 = nn.GELU()
    own = secateur.prune(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(7200, 3)), images, labels)
    (tmp_path / "file").write_text("")
    out = tmp_path / "out"
    for called, message in [
        (lambda: secateur.save(model, out), "does not come from secateur.prune"),
        (lambda: secateur.save("model", out), "a str; needed is a torch.nn.Module"),
        (lambda: secateur.save(exchanged, out), "gives other outputs.*was a module or an activation exchanged"),
        (lambda: secateur.save(own, out), "does not say what built it"),
        (lambda: secateur.save(pruned, out, architecture="resnet34"), "the weights are not those of a resnet34"),
        (lambda: secateur.save(pruned, out, architecture="resnet181"), "cannot be built"),
        (lambda: secateur.save(pruned, tmp_path / "file"), "is a file"),
        (lambda: secateur.save(pruned, out, export="tflite"), "no form 'tflite'; known are onnx, torch"),
        (lambda: secateur.save(pruned, out, license="mit"), "'license'.*Did you mean 'licence'"),
        (lambda: secateur.load(tmp_path / "nowhere"), "there is no folder"),
        (lambda: secateur.load(tmp_path), "holds no network.json"),
    ]:  # fmt: skip
        with pytest.raises(secateur.SecateurError, match=message):
            called()
    assert not out.exists() or not list(out.iterdir())
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(secateur.SecateurError, match="onnx needs onnx and onnxscript: pip install"):
        secateur.save(pruned, out, export="onnx")


@pytest.mark.slow
def test_saving_again_replaces_all_that_an_earlier_network_left(folder, model, images, labels):
    (folder / "notes.txt").write_text("mine")
    other = secateur.prune(network("vit_tiny_patch16_224"), images, criterion="weight", rate=0.2)
    (folder / "network.onnx").write_bytes(b"of the network before")
    secateur.save(other, folder)
    assert not (folder / "timm.txt").exists() and not (folder / "network.onnx").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    with torch.inference_mode():
        assert torch.equal(secateur.load(folder)(images), other(images))


def test_attributes_that_there_are_not_are_refused(folder):
    """network.json is somebody else's: it sets numbers that a module has, and nothing else."""
    about = json.loads((folder / "network.json").read_text())
    assert any("out_channels" in stated for stated in about["attributes"].values())
    for owner, name, value in [
        ("conv1", "forward", "evil"), ("conv1", "_parameters", 3), ("nowhere", "groups", 1),
        ("conv1", "groups", [1, 2]), ("conv1", "groups", None), ("", "pretrained_cfg", "x"),
    ]:  # fmt: skip
        about["attributes"] = {owner: {name: value}}
        (folder / "network.json").write_text(json.dumps(about))
        with pytest.raises(secateur.SecateurError, match="which there is not"):
            secateur.load(folder)
    register("alexnet")
