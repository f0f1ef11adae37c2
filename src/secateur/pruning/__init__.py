"""Units of a network, the choice among them, their physical removal, and what is left."""

NORMALISATIONS = ("none", "sum", "l2")
"""How a layer's scores can be made comparable to another's."""
COMBINATIONS = ("sum", "mean", "max", "first")
"""How the scores of channels that can only be removed together can become one."""


def worded(kind: str) -> str:
    """The name of one unit of a kind, in words."""
    return "embedding channel" if kind == "embedding" else kind.replace("_", " ")
