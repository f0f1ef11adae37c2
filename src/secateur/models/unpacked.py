"""`nn.MultiheadAttention` with a layer each for queries, keys and values, so that it can lose heads.

PyTorch's module packs their weights into one parameter, checks that the heads together are as wide as its input, and
hands all weights to one function, so that no layer of it is ever called. What is here takes the same arguments, gives
the same outputs, and reads the weights under their old names too. This file needs torch alone: a folder with a pruned
network takes it along.
"""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

PARTS = ("q", "k", "v")


class Asked(NamedTuple):
    """What `nn.MultiheadAttention` takes beside queries, keys and values, in its order."""

    key_padding_mask: Tensor | None = None
    need_weights: bool = True
    attn_mask: Tensor | None = None
    average_attn_weights: bool = True
    is_causal: bool = False


class UnpackedAttention(nn.Module):
    """What a `nn.MultiheadAttention` computes, by layers of its own; heads may be fewer than the input is wide.

    `fused_attn`: whether PyTorch's fused function is used, except where attention weights are asked for.
    """

    in_proj_bias = None  # `nn.TransformerEncoderLayer` looks at these two: no packed weights for a function of its own
    _qkv_same_embed_dim = False

    def __init__(self, packed: nn.MultiheadAttention) -> None:
        super().__init__()
        self.num_heads, self.head_dim = packed.num_heads, packed.head_dim
        self.dropout, self.batch_first, self.fused_attn = packed.dropout, packed.batch_first, True
        self.out_proj = _linear(packed.out_proj.weight, packed.out_proj.bias)
        weights = (
            packed.in_proj_weight.chunk(3)
            if packed.in_proj_weight is not None
            else [getattr(packed, f"{part}_proj_weight") for part in PARTS]
        )
        biases = [None] * 3 if packed.in_proj_bias is None else packed.in_proj_bias.chunk(3)
        like = packed.out_proj.weight
        self.q_proj, self.k_proj, self.v_proj = (
            _linear(weight, bias, like.requires_grad) for weight, bias in zip(weights, biases, strict=True)
        )
        self.train(packed.training)

    @property
    def embed_dim(self) -> int:
        """Channels of its input and output."""
        return int(self.out_proj.out_features)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, *further: Any, **named: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Arguments (`Asked` has the further ones) and results as of `nn.MultiheadAttention`.

        A causal `attn_mask` is used as it is given.
        """
        asked = Asked(*further, **named)
        if asked.is_causal and asked.attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        batched = query.ndim == 3
        queries, keys, values = (
            self._heads(layer(given), batched)
            for layer, given in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        padding = asked.key_padding_mask
        padding = padding if batched or padding is None else padding.unsqueeze(0)
        mask = self._mask(queries, asked.attn_mask, padding)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if self.fused_attn and not asked.need_weights:
            mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, dropout_p=dropout)
        else:
            scores = (queries * self.head_dim**-0.5) @ keys.transpose(-2, -1)
            weights = functional.dropout((scores if mask is None else scores + mask).softmax(-1), dropout)
            mixed = weights @ values
        outputs = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if batched and not self.batch_first:
            outputs = outputs.transpose(0, 1)
        if not asked.need_weights or weights is None:
            return outputs if batched else outputs.squeeze(0), None
        weights = weights.mean(1) if asked.average_attn_weights else weights
        return (outputs, weights) if batched else (outputs.squeeze(0), weights.squeeze(0))

    def _heads(self, tokens: Tensor, batched: bool) -> Tensor:
        """Samples × heads × tokens × channels of a head."""
        if not batched:
            tokens = tokens.unsqueeze(0)
        elif not self.batch_first:
            tokens = tokens.transpose(0, 1)
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _mask(self, queries: Tensor, attention: Tensor | None, padding: Tensor | None) -> Tensor | None:
        """Both masks as one that is added to the scores: samples (or 1) × heads (or 1) × queries × keys."""
        mask = None
        if attention is not None:
            mask = _added(attention, queries)
            mask = mask.unflatten(0, (len(queries), self.num_heads)) if mask.ndim == 3 else mask
        if padding is not None:
            hidden = _added(padding, queries)[:, None, None]
            mask = hidden if mask is None else mask + hidden
        return mask

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        state_dict.update(renamed(state_dict, prefix))
        for name in _packed(prefix):
            state_dict.pop(name, None)
        super()._load_from_state_dict(state_dict, prefix, *args)


def unpacked(model: nn.Module) -> nn.Module:
    """`model` itself where nothing in it is packed; else a copy in which every `nn.MultiheadAttention` is replaced.

    One that adds keys and values of its own (`bias_k`, `add_zero_attn`), and subclasses, stay as they are.
    """
    if not any(_replaceable(module) for module in model.modules()):
        return model
    model = copy.deepcopy(model)
    if _replaceable(model):
        return UnpackedAttention(model)  # type: ignore[arg-type]
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(model.modules()):
        for name, module in parent._modules.items():  # a shared one under each of its names
            if module is not None and _replaceable(module):
                made[module] = made.get(module) or UnpackedAttention(module)  # type: ignore[arg-type]
                setattr(parent, name, made[module])
        if isinstance(parent, nn.TransformerEncoder):
            parent.use_nested_tensor = False  # else it hands packed weights on
    return model


def replaced(model: nn.Module) -> bool:
    """Whether a network has attention that was packed."""
    return any(isinstance(module, UnpackedAttention) for module in model.modules())


def unpacked_names(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with packed tensors of `model`'s attention under the names that they have here."""
    separate = dict(state)
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(module, UnpackedAttention):
            separate.update(renamed(separate, prefix))
            for packed in _packed(prefix):
                separate.pop(packed, None)
    return separate


def renamed(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """What packed tensors of one module, whose names begin with `prefix`, are called here."""
    tensors: dict[str, Tensor] = {}
    for name in _packed(prefix):
        if name in state:
            leaf, kind = name.removeprefix(prefix), name.rpartition("_")[2]
            parts = PARTS if leaf.startswith("in_proj") else leaf[0]
            for part, tensor in zip(parts, state[name].chunk(len(parts)), strict=True):
                tensors[f"{prefix}{part}_proj.{kind}"] = tensor
    return tensors


def _packed(prefix: str) -> list[str]:
    leaves = ("in_proj_weight", "in_proj_bias", *(f"{part}_proj_weight" for part in PARTS))
    return [prefix + leaf for leaf in leaves]


def _replaceable(module: nn.Module) -> bool:
    kind: Any = module
    return type(module) is nn.MultiheadAttention and kind.bias_k is None and not kind.add_zero_attn


def _linear(weight: Tensor, bias: Tensor | None, trained: bool | None = None) -> nn.Linear:
    """A linear layer of given numbers, made without a random draw."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    trained = weight.requires_grad if trained is None else trained
    layer.weight = nn.Parameter(weight.detach().clone(), trained)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), trained)
    return layer


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as numbers that are added: a boolean one hides where it is True."""
    if mask.dtype is torch.bool:
        return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, float("-inf"))
    return mask.to(like.dtype)
