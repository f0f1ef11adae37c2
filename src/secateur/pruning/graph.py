"""torch-pruning's graph of a network, built also where the library fails to size a concatenation or a view.

Its search for the sizes of what a concatenation joins, or of what a view makes, can end without an answer; it then
raises from the middle of its own arithmetic. Such a step is marked here, and channels that come to it must stay.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning.dependency import Node, index_mapping

FRAGILE = {"update_concat_index_mapping": TypeError, "update_reshape_index_mapping": ZeroDivisionError}
"""The library's functions that write down where channels go, and what they raise where a size is unknown."""


def build(shadow: nn.Module, image: Tensor) -> torch_pruning.DependencyGraph:
    """The graph of a network without values; steps whose sizes are unknown are `unsized`.

    Raises whatever the network's own code or the library raises otherwise.
    """
    graph = torch_pruning.DependencyGraph()
    with torch.enable_grad(), warnings.catch_warnings(), _forbearing():
        warnings.simplefilter("ignore")
        # torch-pruning first calls model(*inputs), so a list of one sample is right at the first try.
        graph.build_dependency(shadow, [image], verbose=False)
    return graph


def unsized(node: Node) -> bool:
    """Whether it is unknown where channels go at this step."""
    return getattr(node, "unsized", False)


@contextmanager
def _forbearing() -> Iterator[None]:
    """Within this context the library marks a step that it cannot size, and goes on."""
    before = {name: getattr(index_mapping, name) for name in FRAGILE}

    def marking(function: Callable, error: type[Exception]) -> Callable:
        def called(graph: Any, node: Any) -> None:
            try:
                function(graph, node)
            except error:
                node.unsized = True

        return called

    try:
        for name, error in FRAGILE.items():
            setattr(index_mapping, name, marking(before[name], error))
        yield
    finally:
        for name, function in before.items():
            setattr(index_mapping, name, function)
