"""One attention block with its relevance written out number by number: an oracle that shares nothing with the engine.

The network: layer norm, queries, keys and values, softmax attention with a bias on its logits, a projection, the
shortcut around all of it, the mean over tokens, and a classifier. Relevance R itself is carried, with every share as a
fraction of a sum (Achtibat et al. 2024, eq. 5 to 14; Ali et al. 2022, eq. 5 and 8), in loops over single numbers.
"""

from itertools import product

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """`inputs`: samples × tokens × channels. `fused`: whether attention is one call."""

    def __init__(self, channels: int = 4, heads: int = 2, tokens: int = 3, classes: int = 3, fused: bool = False):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.norm, self.qkv = nn.LayerNorm(channels), nn.Linear(channels, 3 * channels)
        self.proj, self.head = nn.Linear(channels, channels), nn.Linear(channels, classes)
        self.logit_bias = nn.Parameter(torch.randn(heads, tokens, tokens))
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, x):
        batch, tokens, channels = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, tokens, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.logit_bias)
        else:
            logits = (q * (channels // self.heads) ** -0.5) @ k.transpose(-2, -1) + self.logit_bias
            mixed = logits.softmax(-1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, channels))
        return self.head(x.mean(1))


def linear_shares(inputs: Tensor, layer: nn.Linear, relevance: Tensor, epsilon: float) -> Tensor:
    """The ε rule on one vector."""
    weight, found = layer.weight.detach(), torch.zeros_like(inputs)
    for j in range(len(relevance)):
        output = float(weight[j] @ inputs + layer.bias.detach()[j])
        output += epsilon if output >= 0 else -epsilon
        for i in range(len(inputs)):
            found[i] += inputs[i] * weight[j, i] / output * relevance[j]
    return found


def block_relevance(model: Block, x: Tensor, label: int, rule: str, epsilon: float) -> dict[str, Tensor]:
    """Relevance of one sample (tokens × channels) at the outputs of "qkv" and "proj", and at the input (""), from 1."""
    tokens, channels = x.shape
    heads, size = model.heads, channels // model.heads
    scale = size**-0.5
    with torch.no_grad():
        deviation = (x.var(1, unbiased=False, keepdim=True) + model.norm.eps).sqrt()
        centred = (x - x.mean(1, keepdim=True)) / deviation
        normed = centred * model.norm.weight + model.norm.bias
        qkv = model.qkv(normed)
        parts = qkv.reshape(tokens, 3, heads, size)
        q, k, v = (parts[:, one].transpose(0, 1) for one in range(3))  # heads × tokens × size
        products = torch.einsum("hnd,hmd->hnm", q, k) * scale
        logits = products + model.logit_bias
        weights = logits.softmax(-1)
        mixed = weights @ v
        branch = model.proj(mixed.transpose(0, 1).reshape(tokens, channels))
        total = x + branch
        pooled = total.mean(0)
    start = torch.zeros(3, dtype=x.dtype)
    start[label] = 1
    at_pooled = linear_shares(pooled, model.head, start, epsilon)
    at_total = total / tokens / pooled * at_pooled
    at_branch, at_input = branch / total * at_total, x / total * at_total
    at_mixed = torch.stack(
        [
            linear_shares(mixed.transpose(0, 1).reshape(tokens, -1)[n], model.proj, at_branch[n], epsilon)
            for n in range(tokens)
        ]
    )
    by_head = at_mixed.reshape(tokens, heads, size).transpose(0, 1)
    at_weights, at_v = torch.zeros_like(weights), torch.zeros_like(v)
    at_q, at_k = torch.zeros_like(q), torch.zeros_like(k)
    part = 1.0 if rule == "cp" else 0.5
    for h, n, m, d in product(range(heads), range(tokens), range(tokens), range(size)):
        share = part * weights[h, n, m] * v[h, m, d] / mixed[h, n, d] * by_head[h, n, d]
        at_v[h, m, d] += share
        at_weights[h, n, m] += share if rule == "attnlrp" else 0
    for h, n in product(range(heads), range(tokens)):
        whole = sum(at_weights[h, n, m] for m in range(tokens))
        for m in range(tokens):
            at_logit = logits[h, n, m] * (at_weights[h, n, m] - weights[h, n, m] * whole)
            at_product = products[h, n, m] / logits[h, n, m] * at_logit
            for d in range(size):
                share = 0.5 * q[h, n, d] * k[h, m, d] * scale / products[h, n, m] * at_product
                at_q[h, n, d] += share
                at_k[h, m, d] += share
    at_qkv = torch.stack([at_q, at_k, at_v]).permute(2, 0, 1, 3).reshape(tokens, 3 * channels)
    for n in range(tokens):
        at_normed = linear_shares(normed[n], model.qkv, at_qkv[n], epsilon)
        for i, j in product(range(channels), range(channels)):
            slope = ((i == j) - 1 / channels) / deviation[n, 0] * model.norm.weight.detach()[j]
            at_input[n, i] += x[n, i] * slope / normed[n, j] * at_normed[j]
    return {"qkv": at_qkv, "proj": at_branch, "": at_input}
