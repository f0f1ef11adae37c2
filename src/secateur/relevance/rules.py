"""The rules of layer-wise relevance propagation: what each hands down through one affine map.

Every rule but `flat` and `zbox` has the same shape. With W⁺ and W⁻ the positive and negative parts of the weight, s =
R/x the multiplier that is carried instead of the relevance R, and xᵢ ≥ 0 the map's input,

    sᵢ = (W⁺ᵀ p)ᵢ + (W⁻ᵀ n)ᵢ                (for xᵢ < 0 the two parts change places)

so that a rule is only a choice of p and n, the coefficients of positive and of negative weights, at the map's outputs:

    epsilon         p = n = R / (z + ε sign z)
    zplus           p = R / z⁺,  n = 0
    alphabeta       p = α R / z⁺,  n = −β R / z⁻
    gamma           z > 0: p = (1+γ) R / (z + γ z⁺), n = p / (1+γ);   z < 0: the same with z⁻, p and n exchanged

z⁺ and z⁻ are the sums of the positive and of the negative contributions to z.
Sources: Bach et al., PLoS ONE 10(7), 2015 (epsilon, alphabeta); Montavon et al., Pattern Recognition 65, 2017 (zplus,
zbox); Lapuschkin et al., Nature Communications 10, 2019 (flat); Montavon et al., LNCS 11700, 2019, and Andéol et al.
2021 (gamma, for signed inputs); Yeom et al., Pattern Recognition 115, 2021, eq. 3–5 (zplus as a pruning criterion,
biases ignored).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.relevance.operators import Convolution, Linear, Operator

NAMES = ("epsilon", "zplus", "alphabeta", "gamma", "flat", "zbox")
ATTENTION = ("cp", "attnlrp")
"""Rules of attention (see `relevance.attention`), given to softmax and fused attention alone."""
BIASES = ("absorb", "ignore")
# Numbers of a weight that are handled at once. Convolutions are divided only where they stand for a linear layer.
_LINEAR_BLOCK, _CONVOLUTION_BLOCK = 2**20, 2**22


@dataclass(frozen=True)
class Rule:
    """One rule with its numbers.

    `epsilon` stabilises every denominator (added with the denominator's sign). `bias` says
    whether a bias keeps the share of the relevance that it contributed ("absorb") or leaves all of it to the inputs
    ("ignore"). `low` and `high` bound the network's input (zbox; one number, or one per input channel).
    """

    name: str
    epsilon: float = 1e-6
    alpha: float = 2.0
    beta: float = 1.0
    gamma: float = 0.25
    low: float | tuple[float, ...] = 0.0
    high: float | tuple[float, ...] = 1.0
    bias: str = "absorb"

    @property
    def input_only(self) -> bool:
        """Whether the rule ignores the value of its input, so that only the network's input can stand below it."""
        return self.name in ("flat", "zbox")


_DEFAULTS = {
    "epsilon": Rule("epsilon"),
    "zplus": Rule("zplus", bias="ignore"),
    "alphabeta": Rule("alphabeta", bias="ignore"),
    "alpha2beta1": Rule("alphabeta", alpha=2.0, beta=1.0, bias="ignore"),
    "alpha1beta0": Rule("zplus", bias="ignore"),
    "gamma": Rule("gamma"),
    "flat": Rule("flat", bias="ignore"),
    "zbox": Rule("zbox", bias="ignore"),
}


def parse_rule(specification: "str | Mapping[str, Any] | Rule") -> Rule:
    """The rule that a config names: a name, or a mapping with `rule` and the rule's numbers.

    Raises SecateurError for an unknown name or number, α − β ≠ 1, and negative numbers.
    """
    if isinstance(specification, Rule):
        rule = specification
    else:
        given = {"rule": specification} if isinstance(specification, str) else dict(specification)
        name = given.pop("rule", None)
        if name not in _DEFAULTS:
            raise SecateurError(f"Relevance rule {name!r}: no such rule. Choose one of {', '.join(_DEFAULTS)}.")
        allowed = {field.name for field in fields(Rule)} - {"name"}
        if unknown := sorted(set(given) - allowed):
            raise SecateurError(
                f"Relevance rule {name!r} has no option {', '.join(unknown)}. "
                f"Its options are {', '.join(sorted(allowed))}."
            )
        bounds = {key: tuple(given[key]) for key in ("low", "high") if isinstance(given.get(key), list | tuple)}
        rule = replace(_DEFAULTS[name], **{**given, **bounds})
    if rule.name not in NAMES:
        raise SecateurError(f"Relevance rule {rule.name!r}: no such rule. Choose one of {', '.join(NAMES)}.")
    if rule.bias not in BIASES:
        raise SecateurError(f"bias {rule.bias!r} of rule {rule.name}: choose 'absorb' or 'ignore'.")
    if min(rule.epsilon, rule.gamma, rule.alpha, rule.beta) < 0:
        raise SecateurError(f"Rule {rule.name}: epsilon, alpha, beta and gamma must not be negative.")
    if rule.name == "alphabeta" and abs(rule.alpha - rule.beta - 1) > 1e-9:
        raise SecateurError(
            f"Rule alphabeta with alpha={rule.alpha:g}, beta={rule.beta:g}: alpha − beta must be 1, "
            "else relevance is not conserved."
        )
    if rule.name == "alphabeta" and rule.beta == 0:
        return replace(rule, name="zplus")
    return rule


def parse_attention(specification: "str | Mapping[str, Any] | Rule") -> Rule:
    """The rule of attention that a config names; SecateurError for any other."""
    name: Any = specification
    if isinstance(specification, Rule):
        name = specification.name
    elif isinstance(specification, Mapping) and set(specification) == {"rule"}:
        name = specification["rule"]
    if name not in ATTENTION:
        raise SecateurError(f"Relevance rule {name!r} of attention: choose one of {', '.join(ATTENTION)}.")
    return Rule(name)


def stabilise(values: Tensor, epsilon: float) -> Tensor:
    """`values` moved away from zero by `epsilon`, each in its own direction. A new tensor."""
    return torch.copysign(values.new_full((), epsilon), values).add_(values)


class AffineMap(NamedTuple):
    """An affine map with the signals of one call: outputs = operator.apply(inputs, weight, bias)."""

    operator: Operator
    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    outputs: Tensor


def propagate(
    rule: Rule,
    affine: AffineMap,
    relevance: Tensor,
    signed: bool | None = None,
    absorb: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """The multiplier R/x at the map's inputs, from the relevance at its outputs, in the shape of the inputs.

    `signed`: whether any input is negative; looked up where it is None. `absorb`, if any, is told what the bias keeps,
    Σ (b⁺ p + b⁻ n). Counting the forward pass, non-negative inputs cost two convolutions for epsilon, three for zplus,
    four for alphabeta and gamma; signed inputs five for zplus.
    """
    operator, inputs, weight, bias, outputs = affine
    block = _LINEAR_BLOCK if isinstance(operator, Linear) else _CONVOLUTION_BLOCK
    if rule.name != "epsilon" and weight.numel() > 2 * block and weight.shape[0] > 1 and _by_outputs(operator):
        # Part by part, so that no copy of a large weight is made, and its parts stay in the processor's cache.
        total = torch.zeros_like(inputs)
        rows = max(1, block // weight[0].numel())
        channels = -1 if isinstance(operator, Linear) else 1
        for part in range(0, weight.shape[0], rows):
            size = min(rows, weight.shape[0] - part)
            own_bias = None if bias is None else bias[part : part + size]
            own_outputs, own_relevance = (signal.narrow(channels, part, size) for signal in (outputs, relevance))
            own = AffineMap(operator, inputs, weight[part : part + size], own_bias, own_outputs)
            total += propagate(rule, own, own_relevance, signed, absorb)
        return total
    kept_bias = bias if rule.bias == "absorb" else None
    copied = bias is not None and kept_bias is None and rule.name != "zplus"
    if bias is not None and copied:
        outputs = outputs - operator.channels(bias, outputs)  # a copy, which may be overwritten
    if rule.name == "epsilon":
        denominator = stabilise(outputs, rule.epsilon)
        p = torch.div(relevance, denominator, out=denominator)
        if absorb is not None and kept_bias is not None:
            absorb((operator.channels(kept_bias, p) * p).sum())
        return operator.transpose(p, weight, inputs)
    if signed is None:
        signed = inputs.numel() > 0 and bool(inputs.amin() < 0)
    up = weight.clamp(min=0)
    # zplus needs the negative weights for negative inputs only.
    down = weight.clamp(max=0) if signed or rule.name != "zplus" else up

    def contributions(upper: Tensor, lower: Tensor, shift: Tensor | None) -> Tensor:
        if not signed:
            return operator.apply(inputs, upper, shift)
        return operator.apply(inputs.clamp(min=0), upper, shift).add_(operator.apply(inputs.clamp(max=0), lower))

    above = contributions(up, down, None if kept_bias is None else kept_bias.clamp(min=0))
    below = None
    if rule.name != "zplus":
        # z⁻ = z − z⁺ spares a convolution; where a unit has few inputs it would cancel, and a convolution is cheap.
        if operator.fan_in(weight) <= 32:
            below = contributions(down, up, None if kept_bias is None else kept_bias.clamp(max=0))
        else:
            overwritten = outputs if copied and rule.name == "alphabeta" else None
            below = torch.sub(outputs, above, out=overwritten).clamp_(max=0)
    p, n = _coefficients(rule, relevance, outputs, above, below)
    if absorb is not None and kept_bias is not None:
        absorb((operator.channels(kept_bias.clamp(min=0), p) * p).sum())
        if n is not None:
            absorb((operator.channels(kept_bias.clamp(max=0), n) * n).sum())
    del outputs, above, below  # each is as large as the layer's output: free before the transposed maps need room
    if not signed:
        result = operator.transpose(p, up, inputs)
        del p
        return result if n is None else result.add_(operator.transpose(n, down, inputs))

    def transposed(upper: Tensor, lower: Tensor) -> Tensor:
        result = operator.transpose(p, upper, inputs)
        return result if n is None else result.add_(operator.transpose(n, lower, inputs))

    return torch.where(inputs < 0, transposed(down, up), transposed(up, down))


def _by_outputs(operator: Operator) -> bool:
    """Whether the first dimension of the weight is the map's outputs, each of which has weights of its own."""
    if isinstance(operator, Convolution):
        return operator.groups == 1 and not operator.transposed
    return isinstance(operator, Linear)


def _coefficients(
    rule: Rule, relevance: Tensor, outputs: Tensor, above: Tensor, below: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The coefficients (p, n) of positive and of negative weights; n is None where there is none.

    `above` and `below` are z⁺ ≥ 0 and z⁻ ≤ 0; both are overwritten.
    """
    if below is None:
        above.add_(rule.epsilon)
        return torch.div(relevance, above, out=above), None
    if rule.name == "alphabeta":
        above.add_(rule.epsilon)
        below.sub_(rule.epsilon)
        positive, negative = torch.div(relevance, above, out=above), torch.div(relevance, below, out=below)
        return positive.mul_(rule.alpha), negative.mul_(-rule.beta)
    upward = outputs > 0
    emphasised = torch.where(upward, above, below).mul_(rule.gamma).add_(outputs)
    shared = (relevance / stabilise(emphasised, rule.epsilon)).mul_(outputs != 0)
    more = shared * (1 + rule.gamma)
    return torch.where(upward, more, shared), torch.where(upward, shared, more)


def input_relevance(rule: Rule, affine: AffineMap, relevance: Tensor) -> Tensor:
    """The relevance (not the multiplier) at the network's input under `flat` or `zbox`; both ignore the bias."""
    operator, inputs, weight, bias, outputs = affine
    if rule.name == "flat":
        ones = torch.ones_like(inputs)
        flat_weight = torch.ones_like(weight)
        shares = relevance / stabilise(operator.apply(ones, flat_weight), rule.epsilon)
        return operator.transpose(shares, flat_weight, inputs)
    if bias is not None:
        outputs = outputs - operator.channels(bias, outputs)
    up, down = weight.clamp(min=0), weight.clamp(max=0)
    low, high = (_bound(value, inputs) for value in (rule.low, rule.high))
    if bool((low > high).any()):
        raise SecateurError("Rule zbox: `low` must not exceed `high`.")
    sums = outputs - operator.apply(low, up) - operator.apply(high, down)
    shares = relevance / stabilise(sums, rule.epsilon)
    return (
        inputs * operator.transpose(shares, weight, inputs)
        - low * operator.transpose(shares, up, inputs)
        - high * operator.transpose(shares, down, inputs)
    )


def _bound(value: float | tuple[float, ...], inputs: Tensor) -> Tensor:
    bound = torch.as_tensor(value, dtype=inputs.dtype, device=inputs.device)
    if bound.dim():
        if inputs.dim() < 2 or bound.numel() != inputs.shape[1]:
            raise SecateurError(f"Rule zbox: {bound.numel()} bounds for inputs of shape {tuple(inputs.shape[1:])}.")
        bound = bound.reshape(1, -1, *[1] * (inputs.dim() - 2))
    return bound.expand_as(inputs)
