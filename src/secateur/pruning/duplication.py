"""Copies of networks in which some tensors are replaced, so that what is replaced is never copied."""

import copy
from typing import Any

from torch import nn

ATOMS = (int, float, str, type(None), type, complex)  # bool is an int
OWN_WAYS = ("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__")


def duplicate(module: nn.Module, memo: dict[int, Any]) -> Any:
    """Deep copy of `module` with the objects that `memo` names by their id replaced by its values.

    The same as `copy.deepcopy(module, memo)`, several times faster: a module is full of numbers, texts and empty
    dictionaries, for each of which deepcopy would go its general way. A module with a way of its own to be copied is
    left to deepcopy. `memo` gains what was copied.
    """
    if id(module) in memo:
        return memo[id(module)]
    kind = type(module)
    if any(getattr(kind, way, None) is not getattr(nn.Module, way, None) for way in OWN_WAYS):
        return copy.deepcopy(module, memo)
    new = memo[id(module)] = kind.__new__(kind)
    state = vars(new)
    for name, value in vars(module).items():
        if isinstance(value, ATOMS):
            state[name] = value
        elif name == "_modules":
            state[name] = {key: None if child is None else duplicate(child, memo) for key, child in value.items()}
        elif isinstance(value, dict) and not value and id(value) not in memo:
            state[name] = memo[id(value)] = type(value)()
        elif type(value) is tuple and all(isinstance(item, ATOMS) for item in value):
            state[name] = value
        elif type(value) is set and all(isinstance(item, ATOMS) for item in value):
            state[name] = set(value)
        else:
            state[name] = copy.deepcopy(value, memo)
    return new
