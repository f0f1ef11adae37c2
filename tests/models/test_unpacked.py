"""Packed attention with layers of its own: the same numbers as PyTorch's module, whatever it is asked."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from secateur.models.unpacked import UnpackedAttention, unpacked

EXACT = 1e-12


def attention(**settings: Any) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(12, 3, **settings).double().eval()
    for parameter in module.parameters():  # biases begin at 0
        nn.init.uniform_(parameter, -0.5, 0.5)
    return module


def tokens(samples: int, count: int, width: int = 12, batch_first: bool = True) -> torch.Tensor:
    torch.manual_seed(samples * 100 + count)
    drawn = torch.randn(samples, count, width, dtype=torch.float64)
    return drawn if batch_first else drawn.transpose(0, 1)


CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)
PADDING = torch.tensor([[False] * 4 + [True], [False] * 5])
PER_HEAD = torch.linspace(-1, 1, 6 * 25, dtype=torch.float64).reshape(6, 5, 5)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"need_weights": False},
        {"average_attn_weights": False},
        {"attn_mask": CAUSAL, "need_weights": False},
        {"attn_mask": CAUSAL, "is_causal": True, "need_weights": False},
        {"key_padding_mask": PADDING, "need_weights": False},
        {"attn_mask": CAUSAL.double() * -3, "key_padding_mask": PADDING.double() * -2},
        {"attn_mask": PER_HEAD, "key_padding_mask": PADDING, "need_weights": False},
    ],
)
@pytest.mark.parametrize("settings", [{"batch_first": True}, {}, {"bias": False}])
def test_it_gives_what_the_packed_module_gives(settings: dict[str, Any], asked: dict[str, Any]) -> None:
    packed = attention(**settings)
    new: Any = unpacked(packed)
    given = tokens(2, 5, batch_first=settings.get("batch_first", False))
    for fused in (True, False):
        new.fused_attn = fused
        (expected, weights), (found, other) = packed(given, given, given, **asked), new(given, given, given, **asked)
        assert torch.allclose(found, expected, rtol=0, atol=EXACT)
        assert (weights is None) == (other is None)
        assert weights is None or torch.allclose(other, weights, rtol=0, atol=EXACT)


def test_queries_keys_and_values_may_differ_in_length_and_width() -> None:
    packed = attention(batch_first=True, kdim=7, vdim=9)
    given = tokens(2, 4), tokens(2, 6, 7), tokens(2, 6, 9)
    assert torch.allclose(unpacked(packed)(*given)[0], packed(*given)[0], rtol=0, atol=EXACT)


def test_a_single_sample_needs_no_axis_for_samples() -> None:
    packed, given = attention(), tokens(1, 5)[0]
    padding = torch.tensor([False, True, False, False, True])
    expected, weights = packed(given, given, given, key_padding_mask=padding)
    found, other = unpacked(packed)(given, given, given, key_padding_mask=padding)
    assert torch.allclose(found, expected, rtol=0, atol=EXACT) and torch.allclose(other, weights, rtol=0, atol=EXACT)
    with pytest.raises(RuntimeError, match="Need attn_mask"):
        unpacked(packed)(given, given, given, is_causal=True)


def test_the_gradient_in_training_is_the_packed_module_s() -> None:
    packed = attention(batch_first=True).train()
    new = unpacked(packed)
    given = tokens(2, 5)
    for module in (packed, new):
        module(given, given, given)[0].square().sum().backward()
    expected = packed.in_proj_weight.grad
    found = torch.cat([getattr(new, f"{part}_proj").weight.grad for part in "qkv"])
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)


def test_dropout_acts_in_training_alone() -> None:
    new = unpacked(attention(batch_first=True, dropout=0.5))
    given = tokens(2, 5)
    again = [new(given, given, given, need_weights=False)[0] for _ in range(2)]
    assert torch.equal(*again)
    new.train()
    assert not torch.equal(new(given, given, given, need_weights=False)[0], again[0])


@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"kdim": 7, "vdim": 9}])
def test_weights_under_the_packed_names_are_read(settings: dict[str, Any]) -> None:
    source, target = attention(**settings), unpacked(attention(**settings))
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.mul_(2)
    state = source.state_dict()
    names = set(state)
    target.load_state_dict(state)
    assert set(state) == names  # the caller's dictionary is as it was
    expected = unpacked(source).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in target.state_dict().items())


def test_pytorch_s_encoder_runs_on_it_by_its_slow_path() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(12, 4, 16, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    given = tokens(2, 5)
    with torch.no_grad():
        whole = copy.deepcopy(encoder.state_dict())
        expected = encoder(given, src_key_padding_mask=PADDING)
        found = unpacked(encoder)(given, src_key_padding_mask=PADDING)
    shown = ~PADDING  # the fast path writes zeros where tokens are padding
    assert torch.allclose(found[shown], expected[shown], rtol=0, atol=EXACT)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in encoder.state_dict().items())


def test_nothing_is_drawn_and_what_cannot_be_replaced_stays() -> None:
    before = torch.random.get_rng_state()
    adding = nn.Sequential(nn.MultiheadAttention(12, 3, add_bias_kv=True))
    torch.random.set_rng_state(before)
    assert unpacked(adding) is adding
    assert unpacked(nn.Sequential(nn.MultiheadAttention(12, 3, add_zero_attn=True)))[0]._parameters
    plain = nn.Sequential(nn.Linear(3, 3))
    assert unpacked(plain) is plain
    model = nn.Sequential(attention())
    state = torch.random.get_rng_state()
    assert isinstance(unpacked(model)[0], UnpackedAttention) and isinstance(model[0], nn.MultiheadAttention)
    assert torch.equal(torch.random.get_rng_state(), state)
