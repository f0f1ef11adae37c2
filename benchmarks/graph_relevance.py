"""Relevance as a changed gradient of the untouched network, node by node of autograd's own graph: another oracle.

The network runs as it is, with plain PyTorch, attention not fused; then the gradient of the true class's logit is
taken, and the nodes of the graph whose rule is not the gradient have theirs put right: halved in products of two
signals, none into gates, statistics and (CP-LRP) attention weights, f(x)/x at activations, a constant deviation in
layer norms. It is the ε rule with ε = 0. Nothing is shared with the engine, which changes functions as they are called.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

VIEWS = ("View", "UnsafeView", "Expand", "Permute", "Transpose", "Clone", "Unsqueeze", "Squeeze", "ReshapeAlias")
LINEAR = (*VIEWS, "Addmm", "Mm", "Bmm", "T", "Add")
CONSTANT = ("LinalgVectorNorm", "Norm", "Var", "VarMean", "Std", "Rsqrt", "Sigmoid", "Hardsigmoid")
ACTIVATIONS = {
    "Gelu": F.gelu, "Silu": F.silu, "Hardswish": F.hardswish, "Tanh": torch.tanh, "Mish": F.mish, "Elu": F.elu,
}  # fmt: skip


def kind(node):
    return node.name().rstrip("0123456789").removesuffix("Backward")


def comes_from(node, names, through):
    """Whether a node is one of `names`, or made of one by nodes of the kinds `through` alone."""
    while node is not None:
        if kind(node) in names:
            return True
        before = [one for one, _ in node.next_functions if one is not None and kind(one) != "AccumulateGrad"]
        node = before[0] if kind(node) in through and len(before) == 1 else None
    return False


def ordered(last):
    """All nodes of the graph that ends in `last`, each after those it is made of."""
    found, seen, waiting = [], set(), [(last, False)]
    while waiting:
        node, done = waiting.pop()
        if done:
            found.append(node)
        elif node is not None and node not in seen:
            seen.add(node)
            waiting += [(node, True), *((one, False) for one, _ in node.next_functions)]
    return found


def constants(nodes):
    """Which of the nodes (in order) are gates or statistics, or made of such alone."""
    found = set()
    for node in nodes:
        before = [one for one, _ in node.next_functions if one is not None]
        if kind(node) in CONSTANT or (before and all(one in found for one in before)):
            found.add(node)
    return found


def hook(node, rule, constant):
    """What puts a node's gradients right, or None where they are."""
    name, live = kind(node), [one is not None for one, _ in node.next_functions]
    if name in CONSTANT or (name == "Softmax" and rule == "cp"):
        return lambda given, _: tuple(None if one is None else torch.zeros_like(one) for one in given)
    if name == "NativeLayerNorm":
        x, weight, shape = node._saved_input, node._saved_weight, node._saved_normalized_shape
        dims = tuple(range(-len(shape), 0))
        rstd = node._saved_result2

        def norm(given, back):
            value = back[0] if weight is None else back[0] * weight
            value = value * rstd
            return (value - value.mean(dims, keepdim=True), *given[1:])

        assert x is not None
        return norm
    if name == "NativeGroupNorm":
        return group_norm(node)
    if name in ACTIVATIONS and (name != "Elu" or node._saved_self_or_result is not None):
        x = node._saved_result if name == "Tanh" else getattr(node, "_saved_self", None)
        if name == "Tanh":
            return lambda given, back: (torch.where(x == 0, given[0], back[0] * x / torch.atanh(x)),)
        options = {"approximate": node._saved_approximate} if name == "Gelu" else {}
        return lambda given, back: (torch.where(x == 0, given[0], back[0] * ACTIVATIONS[name](x, **options) / x),)
    if name in ("Hardtanh", "Clamp"):
        low, high = (
            (node._saved_min_val, node._saved_max_val) if name == "Hardtanh" else (node._saved_min, node._saved_max)
        )
        x = node._saved_self
        return lambda given, back: (torch.where(x == 0, given[0], back[0] * x.clamp(low, high) / x),)
    if name == "Pow" and node._saved_exponent == 2:
        return lambda given, _: (given[0] / 2,)
    if sum(live) < 2:
        return None
    if name in ("Bmm", "Mm"):
        weights = [rule == "cp" and comes_from(one, ("Softmax",), LINEAR) for one, _ in node.next_functions]
        weights = weights if any(weights) else [one in constant for one, _ in node.next_functions]
        if any(weights):
            return lambda given, _: tuple(one * (i != weights.index(True)) for i, one in enumerate(given))
        return lambda given, _: tuple(one / 2 for one in given)
    if name == "Div":
        return lambda given, _: (given[0], torch.zeros_like(given[1]))
    if name == "Mul":
        sizes = [node._saved_self.numel(), node._saved_other.numel()]
        gates = [one in constant for one, _ in node.next_functions]
        if not any(gates) and sizes[0] == sizes[1]:
            return lambda given, _: (given[0] / 2, given[1] / 2)
        gate = gates.index(True) if any(gates) else sizes.index(min(sizes))
        return lambda given, _: tuple(torch.zeros_like(one) if i == gate else one for i, one in enumerate(given))
    return None


def group_norm(node):
    """A group norm's deviation is constant; its mean is not."""
    samples, channels, positions, groups = node._saved_N, node._saved_C, node._saved_HxW, node._saved_group
    weight, rstd = node._saved_weight, node._saved_result2

    def norm(given, back):
        value = back[0].reshape(samples, channels, positions)
        value = value if weight is None else value * weight.reshape(1, -1, 1)
        value = value.reshape(samples, groups, -1) * rstd.reshape(samples, groups, 1)
        return ((value - value.mean(-1, keepdim=True)).reshape(given[0].shape), *given[1:])

    return norm


def relevance(model: nn.Module, inputs, labels, rule, norms=None):
    """Layer -> relevance at its output, in the output's shape; "" the input's. From 1 at each sample's class.

    `norms`: layer -> the batch-norm module behind it, at whose output the layer's relevance is then taken.
    """
    outputs = {}
    handles = []

    def keep(name):
        def hook(_, __, out):
            outputs[name] = out
            return out.clone()  # so that what changes the signal in place does not change what was kept

        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            place = model.get_submodule((norms or {}).get(name, name))
            handles.append(place.register_forward_hook(keep(name)))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    try:
        x = inputs.clone().requires_grad_()
        with sdpa_kernel(SDPBackend.MATH):  # also where a module knows fused attention alone
            logits = model(x).gather(1, labels.unsqueeze(1))
    finally:
        for handle in handles:
            handle.remove()
    nodes = ordered(logits.grad_fn)
    constant = constants(nodes)
    for node in nodes:
        if (right := hook(node, rule, constant)) is not None:
            node.register_hook(right)
    signals = {"": x, **{name: out for name, out in outputs.items() if out.requires_grad}}
    slopes = torch.autograd.grad((logits / logits.detach()).sum(), list(signals.values()), materialize_grads=True)
    return {name: signal.detach() * slope for (name, signal), slope in zip(signals.items(), slopes, strict=True)}
