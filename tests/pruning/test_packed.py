"""PyTorch's packed attention as units: in torchvision's ViT, an encoder of PyTorch's, and between two sequences."""

import pytest
import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

import secateur
from secateur.models import build
from secateur.models.unpacked import unpacked
from secateur.portability.portable import loading
from secateur.pruning.masking import largest_difference
from secateur.pruning.proof import prove
from secateur.pruning.removal import remove
from secateur.pruning.saved import build_unpruned, load
from secateur.pruning.units import analyse, find_unit_groups
from secateur.ranking.network import Network

IMAGES = torch.rand(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
SEQUENCES = torch.rand(2, 6, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
FILE = """
from torchvision.models.vision_transformer import VisionTransformer


def small_packed_vit(num_classes, in_chans):
    return VisionTransformer(32, 8, 2, 3, 24, 48, num_classes=num_classes)
"""


class Encoder(nn.Module):
    """PyTorch's own encoder, with tokens before samples, over a linear embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 16)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 20, activation="gelu"), 2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.first(x).transpose(0, 1)).mean(0))


class Between(nn.Module):
    """Queries of its own read an image's tokens of another width, as in ML-Decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, 4, 8))
        self.attention = nn.MultiheadAttention(8, 2, kdim=12, vdim=12, batch_first=True)
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.attention(self.queries.expand(len(x), -1, -1), x, x)[0].flatten(1))


def random(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.5, generator=generator)
    return model.double().eval()


def vit() -> nn.Module:
    return random(VisionTransformer(32, 8, 2, 3, 24, 48, num_classes=5))


@pytest.mark.parametrize("scope", ["heads", "head_channels", "signal"])
@pytest.mark.parametrize(
    ("make", "inputs"), [(vit, IMAGES), (lambda: random(Encoder()), SEQUENCES), (lambda: random(Between()), SEQUENCES)]
)
def test_a_network_without_units_is_the_whole_one_with_them_silent(make, inputs, scope):
    packed = make()
    model = unpacked(packed)
    assert torch.allclose(model(inputs), packed(inputs), rtol=0, atol=1e-12)
    groups = find_unit_groups(model, inputs, scope)
    kinds = {group.kind for group in groups}
    assert kinds == {"heads": {"head"}, "head_channels": {"head_channel"}}.get(scope, kinds) and "filter" not in kinds
    selection = {group.name: list(range(0, group.size - 1, 2)) for group in groups}
    for way in (False, True):
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = way
        evidence = prove(model, groups, selection, inputs)
        assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
    smaller = remove(model, groups, selection)
    others = {group.name: list(range(1, group.size, 2)) for group in groups}
    assert largest_difference(model, smaller, groups, others, inputs) > 1e-3  # silencing other units is told apart


def test_packed_as_it_is_it_is_refused_by_name_and_nothing_else_is_lost():
    """Without the exchange, and where keys are added to those given, for every scope."""
    for model, inputs in ((vit(), IMAGES), (random(nn.Sequential(Between())), SEQUENCES)):
        for scope in ("signal", "head_channels"):
            found = analyse(model, inputs, scope)
            assert not any("head" in group.kind for group in found.groups)
            refused = [name for name, reason in found.left_out.items() if reason.startswith("packed attention")]
            assert refused and all(name.endswith("attention.out_proj") for name in refused)


def test_saved_and_loaded_by_secateur_and_by_torch_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small_packed_vit.py").write_text(FILE)
    build.search([tmp_path / "mine"])
    try:
        model = random(unpacked(build_unpruned("small_packed_vit", {"num_classes": 5, "in_chans": 3})))
        labels = torch.arange(6) % 5
        images = torch.rand(6, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
        settings = {"scheme": "isomorphic", "criterion": "attention_relevance"}
        pruned = secateur.prune(model, images, labels, 0.5, **settings)
        kinds = {one["kind"]: one["removed"] for one in pruned.report.units.values()}
        assert kinds["head"] and kinds["neuron"] and pruned.report.difference < 1e-12
        secateur.save(
            pruned, tmp_path / "out", architecture="small_packed_vit", arguments={"num_classes": 5, "in_chans": 3}
        )
        expected = pruned(images)
        assert torch.equal(load(tmp_path / "out").model(images), expected)
        assert (tmp_path / "out" / "attention.py").exists()
        assert "secateur" not in (tmp_path / "out" / "attention.py").read_text()
        assert torch.equal(loading(tmp_path / "out")()(images), expected)
    finally:
        build.search([])


def test_the_library_takes_it_packed_and_leaves_it_so():
    model = vit()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pruned = secateur.prune(model, IMAGES, torch.tensor([0, 1]), 0.4, criterion="head_gate", scope="heads")
    assert pruned.report.difference < 1e-12 and pruned.report.units
    assert set(model.state_dict()) == set(before) and isinstance(
        model.encoder.layers[0].self_attention, nn.MultiheadAttention
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    maps = secateur.relevance(model, IMAGES, torch.tensor([0, 1]), rule="attnlrp")
    assert maps.shape == IMAGES.shape and bool(maps.isfinite().all())


def test_cp_lrp_is_the_gradient_where_attention_is_constant():
    """ε without biases and norms: input times gradient with the attention weights held."""

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = (
                nn.MultiheadAttention(12, 3, bias=False, batch_first=True),
                nn.Linear(72, 3, False),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.attention(x, x, x, need_weights=False)[0].flatten(1))

    model = unpacked(random(Plain()))
    attention, inputs = model.attention, SEQUENCES.clone().requires_grad_()
    rule = {"default": {"rule": "epsilon", "epsilon": 1e-300}, "attention": "cp"}
    network = Network(model, [], SEQUENCES, torch.tensor([0, 2]))
    (found,) = network.input_relevance(rule, "logit")
    with torch.no_grad():
        _, weights = attention(SEQUENCES, SEQUENCES, SEQUENCES, average_attn_weights=False)
    values = attention.v_proj(inputs).unflatten(-1, (3, 4)).transpose(1, 2)
    outputs = model.head(attention.out_proj((weights @ values).transpose(1, 2).flatten(2)).flatten(1))
    outputs[[0, 1], [0, 2]].sum().backward()
    assert torch.allclose(found, (inputs * inputs.grad).detach(), rtol=0, atol=1e-10)


def test_weights_of_the_packed_network_are_read_into_a_run_s(tmp_path):
    from secateur.models.weights import fit, misfits

    packed = vit()
    target = unpacked(vit())
    for parameter in target.parameters():
        nn.init.zeros_(parameter)
    assert misfits(target, packed.state_dict()) == []
    fit(target, packed.state_dict(), "the weights")
    assert torch.allclose(target(IMAGES), packed(IMAGES), rtol=0, atol=1e-12)
    short = {name: tensor for name, tensor in packed.state_dict().items() if not name.endswith("in_proj_bias")}
    assert any("q_proj.bias" in one for one in misfits(target, short))
