"""Relevance through attention as by autolrp, another implementation, on networks without constants to disagree about.

autolrp (Alasad, MIT licence) works on autograd's graph. Its own sums, means and layer norms share by size and
without the mean's part; here they get rules by value, as Secateur's. Constants that are added to a signal (biases,
position embeddings) get no relevance there, and their share here: they are zero in this test, and tested beside a
literal oracle.
"""

import pytest
import torch
from attention_networks import image_size, network
from torch import nn

from secateur.ranking.network import Network

autolrp = pytest.importorskip("autolrp", reason="autolrp is not installed (envs/requirements.txt has it)")
EPSILON = 1e-14
FAMILIES = ("vit", "deit3", "swin", "swinv2", "xcit", "eva02")


def by_value(a, b, relevance, eps, *_, attribute="both"):
    return a / (a + b) * relevance, b / (a + b) * relevance


def in_half(a, b, relevance, eps, *_, attribute="both"):
    shares = {"both": (0.5, 0.5), "lhs": (1.0, None), "rhs": (None, 1.0)}[attribute]
    return tuple(None if share is None else share * relevance for share in shares)


def of_mean(x, y, relevance, eps, *, dim=None, keepdim=False, **_):
    dims = tuple(d - 2**64 if d >= 2**63 else d for d in ((dim,) if isinstance(dim, int) else dim))
    total = x.sum(dims, keepdim=True)
    return x.detach() / total.detach() * (relevance if keepdim else relevance.reshape(total.shape))


def of_norm(x, y, relevance, eps, *, normalized_shape, weight=None, bias=None, mean=None, rstd=None, **_):
    dims = tuple(range(-len(normalized_shape), 0))
    with torch.no_grad():
        factors = rstd if weight is None else rstd * weight
        slope = relevance / ((x - x.mean(dims, keepdim=True)) * factors) * factors
        return x * (slope - slope.mean(dims, keepdim=True))


def without_constants(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or any(part in name for part in ("pos_embed", "_token", "bias_table")):
            nn.init.zeros_(parameter)
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            nn.init.zeros_(module.running_mean)
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return model


@pytest.mark.parametrize("rule", ["cp", "attnlrp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_as_by_autolrp(family, rule):
    model, size = without_constants(network(family)), image_size(family)
    image = torch.rand(1, 3, size, size, dtype=torch.float64)
    preset = autolrp.CPLRP if rule == "cp" else autolrp.ATTNLRP
    rules = {**autolrp.BASE, **preset, **autolrp.on(autolrp.ADD_NODES, by_value), "MeanBackward": of_mean}
    rules |= {**autolrp.on(autolrp.LAYERNORM_NODES, of_norm), "MulBackward": in_half}
    seen = autolrp.tensor(image.clone())
    model(seen)[0, 1].lrp(config=autolrp.LRPConfig(rule=rules, eps=EPSILON))
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)][:1]
    view = Network(model, layers, image, torch.tensor([1]))
    (found,) = view.input_relevance({"default": {"rule": "epsilon", "epsilon": EPSILON}, "attention": rule})
    expected = seen.relevance.detach().as_subclass(torch.Tensor)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-8
