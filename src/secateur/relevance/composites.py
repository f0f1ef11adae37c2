"""Composites: which rule each layer gets, by its kind and its depth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from secateur.errors import SecateurError
from secateur.relevance.rules import Rule, parse_attention, parse_rule

KINDS = ("convolution", "linear", "normalisation", "attention")
DEPTHS = ("first", "middle", "last", "classifier")

PRESETS: dict[str, dict[str, Any]] = {
    "zplus": {"default": "zplus"},
    "epsilon": {"default": "epsilon"},
    "epsilon-plus": {"default": "zplus", "linear": "epsilon"},
    "epsilon-alpha2beta1": {"default": "alpha2beta1", "linear": "epsilon"},
    "cp-lrp": {"default": "epsilon", "attention": "cp"},
    "attnlrp": {"default": "epsilon", "attention": "attnlrp"},
}

Specification = str | Mapping[str, Any] | Rule


def depths(kinds: Sequence[str]) -> list[str]:
    """The depth group of each affine map and attention, given their kinds in the order of execution.

    `classifier`: the linear layers after the last convolution; where there is no convolution, or attention behind the
    last one, the last linear layer. The other convolutions and linear layers are counted, and the `first` and the
    `last` quarter of them (rounded down, but at least one where there are two) stand around the `middle`; a
    normalisation or attention belongs to the group of the map before it.
    """
    counted = [i for i, kind in enumerate(kinds) if kind in ("convolution", "linear")]
    convolutions = [i for i in counted if kinds[i] == "convolution"]
    classifier = [i for i in counted if convolutions and i > convolutions[-1]]
    if not convolutions or "attention" in kinds[convolutions[-1] :]:
        classifier = [i for i in counted if kinds[i] == "linear"][-1:]
    body = [i for i in counted if i not in classifier]
    quarter = max(len(body) // 4, 1 if len(body) > 1 else 0)
    groups: dict[int, str] = dict.fromkeys(classifier, "classifier")
    for place, i in enumerate(body):
        groups[i] = "first" if place < quarter else "last" if place >= len(body) - quarter else "middle"
    names: list[str] = []
    for i in range(len(kinds)):
        names.append(groups[i] if i in groups else names[-1] if names else "first")
    return names


def assign(specification: Specification, kinds: Sequence[str], bias: str | None = None) -> list[Rule]:
    """The rule of each affine map and attention, given their kinds (of KINDS) in the order of execution.

    `specification`: a preset's name (zplus, epsilon, epsilon-plus, epsilon-alpha2beta1, cp-lrp, attnlrp), a rule (a
    name, or a mapping with `rule`), or a composite: a mapping from `default`, kinds, depths ("first", "middle", "last",
    "classifier") and "input" (the first map) to rules or, for a depth, to a mapping from kinds to rules. The most
    particular entry wins: input, then depth, then kind, then `default` (zplus where absent). Attention has rules of its
    own, so that `default` and a depth's single rule do not concern it: it gets those of the key `attention`, else cp.
    `bias` ("absorb" or "ignore") overrides every rule's own.

    Raises SecateurError for unknown names.
    """
    composite = _composite(specification)
    rules = []
    for i, (kind, depth) in enumerate(zip(kinds, depths(kinds), strict=True)):
        attention = kind == "attention"
        chosen: Any = "cp" if attention else composite.get("default", "zplus")
        if kind in composite:
            chosen = composite[kind]
        if depth in composite:
            group = composite[depth]
            if isinstance(group, Mapping) and "rule" not in group:
                if unknown := sorted(set(group) - {*KINDS, "default"}):
                    raise SecateurError(
                        f"Composite, depth {depth!r}: unknown key {', '.join(unknown)}. "
                        f"Allowed are {', '.join((*KINDS, 'default'))}."
                    )
                chosen = group.get(kind, chosen if attention else group.get("default", chosen))
            elif not attention:
                chosen = group
        if attention:
            rules.append(parse_attention(chosen))
            continue
        if i == 0 and "input" in composite:
            chosen = composite["input"]
        rule = parse_rule(chosen)
        rules.append(rule if bias is None else parse_rule(replace(rule, bias=bias)))
    return rules


def _composite(specification: Specification) -> Mapping[str, Any]:
    if isinstance(specification, Rule):
        return {"default": specification}
    if isinstance(specification, str):
        return PRESETS.get(specification) or {"default": parse_rule(specification)}
    if "rule" in specification:
        return {"default": parse_rule(specification)}
    allowed = ("default", "input", *KINDS, *DEPTHS)
    if unknown := sorted(set(specification) - set(allowed)):
        raise SecateurError(f"Composite: unknown key {', '.join(unknown)}. Allowed are {', '.join(allowed)}.")
    return specification
