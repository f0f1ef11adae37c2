"""The literature's scores of attention heads, each held against its definition by other means, on a small ViT."""

import pytest
import torch
from attention_networks import image_size, network
from timm.layers import Attention
from torch import nn
from torch.nn import functional as F

from secateur.criteria import attention_relevance, head_gate, head_relevance
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import find_unit_groups
from secateur.ranking.network import Network

LABELS = torch.tensor([0, 3, 1])
EXACT = {"default": {"rule": "epsilon", "epsilon": 0.0}}


def given(family):
    model = network(family)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    size = image_size(family)
    inputs = torch.rand(3, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    groups = find_unit_groups(model, inputs, "heads")
    layers = [layer for group in groups for layer, _ in group.producers]
    return model, inputs, groups, Network(model, layers, inputs, LABELS, groups=groups, batch_size=2)


def of_heads(criterion, groups, view, **options):
    return unit_scores(groups, criterion.score(view, **options), combine=criterion.COMBINE)


@pytest.mark.parametrize("family", ["vit", "swin"])
def test_gate_gradient_is_the_slope_of_the_loss_as_a_head_fades(family):
    model, inputs, groups, view = given(family)
    found = of_heads(head_gate, groups, view)
    step = 1e-5
    for group in groups[:2]:
        attention = model.get_submodule(group.name.removesuffix(".qkv"))
        for head in range(group.size):
            columns = group.consumers[0].index[head]
            losses = []
            weight = attention.proj.weight.detach().clone()
            for factor in (1 + step, 1 - step):
                attention.proj.weight.data = weight.index_copy(1, columns, weight[:, columns] * factor)
                with torch.no_grad():
                    losses.append(F.cross_entropy(model(inputs), LABELS, reduction="none"))
                attention.proj.weight.data = weight
            slope = ((losses[0] - losses[1]) / (2 * step)).abs().mean()
            assert abs(float(found[group.name][head]) - float(slope)) < 1e-5 * float(found[group.name].max()) + 1e-12


class Spelled(nn.Module):
    """timm's attention with its weights kept, and the gradient's shares as a rule of attention has them."""

    def __init__(self, attention: Attention, rule: str):
        super().__init__()
        self.of, self.rule = attention, rule

    def forward(self, x, **_):
        batch, tokens, _ = x.shape
        q, k, v = self.of.qkv(x).reshape(batch, tokens, 3, self.of.num_heads, -1).permute(2, 0, 3, 1, 4)
        logits = (q * self.of.scale) @ k.transpose(-2, -1)
        if self.rule == "attnlrp":
            logits = (q * self.of.scale) @ k.detach().transpose(-2, -1) / 2
            logits = logits + (q.detach() * self.of.scale) @ k.transpose(-2, -1) / 2
        weights = logits.softmax(-1)
        self.weights = weights.detach() if self.rule == "cp" else weights
        if self.rule == "attnlrp":
            self.weights.retain_grad()
            mixed = (self.weights @ v.detach() + self.weights.detach() @ v) / 2
        else:
            mixed = self.weights @ v
        self.mixed = mixed
        mixed.retain_grad()
        return self.of.proj(mixed.transpose(1, 2).reshape(batch, tokens, -1))


class Norm(nn.Module):
    """A layer norm with a constant deviation."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        deviation = (x.detach().var(-1, unbiased=False, keepdim=True) + self.of.eps).sqrt()
        return (x - x.mean(-1, keepdim=True)) / deviation * self.of.weight + self.of.bias


class Factor(nn.Module):
    """GELU as the factor f(x)/x."""

    def forward(self, x):
        return x * (F.gelu(x) / x).detach()


def spelled(model, rule):
    for block in model.blocks:
        block.attn, block.norm1, block.norm2 = Spelled(block.attn, rule), Norm(block.norm1), Norm(block.norm2)
        block.mlp.act = Factor()
    model.norm = Norm(model.norm)
    return model


@pytest.mark.parametrize("criterion", [head_relevance, attention_relevance])
def test_head_scores_of_relevance_as_their_papers_define_them(criterion):
    rule = "cp" if criterion is head_relevance else "attnlrp"
    model, inputs, groups, view = given("vit")
    found = of_heads(criterion, groups, view, rule=EXACT | {"attention": rule})
    logits = spelled(model, rule)(inputs).gather(1, LABELS.unsqueeze(1))
    (logits / logits.detach()).sum().backward()
    for group, block in zip(groups, model.blocks, strict=True):
        if rule == "cp":  # Voita: the relevance of a head's outputs
            expected = (block.attn.mixed * block.attn.mixed.grad).detach().sum((0, 2, 3))
        else:  # PXP: over keys at the softmax, then its size over samples and tokens
            expected = (block.attn.weights * block.attn.weights.grad).detach().sum(3).abs().sum((0, 2))
        assert torch.allclose(found[group.name], expected, rtol=1e-8, atol=1e-10 * float(expected.abs().max()))
