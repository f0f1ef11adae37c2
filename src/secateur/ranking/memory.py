"""A memory that a view of a network may have: each pass runs once over all samples, and any subset takes its part."""

import functools
import inspect
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")
View = TypeVar("View")


class Memory(Generic[View]):
    """What was computed once for all views that share it. `whole`: the view of all samples, which has no memory."""

    def __init__(self, whole: View) -> None:
        self.whole = whole
        self._kept: dict[Hashable, Any] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def keep(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` gave when the key was first asked for."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def key_of(method: str, *arguments: Any) -> Hashable:
    """What a memory keeps a pass under."""
    return (method, *map(repr, arguments))


def remembered(method: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """For a pass of a view, batch by batch: where the view has a memory, it runs once over all samples and is kept.

    Such a view gets its own samples' part, in one batch. Only for signals that do not depend on the other samples.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def asked(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        view: Any = args[0]
        memory: Memory | None = view._memory
        if memory is None:
            yield from method(*args, **kwargs)
            return
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.args[1:]
        run: Callable[..., Iterator[T]] = method
        whole = memory.keep(key_of(method.__name__, *arguments), lambda: joined(list(run(memory.whole, *arguments))))
        yield taken(whole, view._places)

    return asked


def joined(batches: list[Any]) -> Any:
    """Tensors of several batches, alone or in dictionaries and tuples, behind one another."""
    first = batches[0]
    if isinstance(first, Tensor):
        return torch.cat(batches)
    if isinstance(first, dict):
        return {name: joined([batch[name] for batch in batches]) for name in first}
    return tuple(joined(list(parts)) for parts in zip(*batches, strict=True))


def taken(signals: Any, places: Tensor | None) -> Any:
    """Those samples of `joined` tensors that are at `places`; all of them where it is None."""
    if places is None:
        return signals
    if isinstance(signals, Tensor):
        return signals[places.to(signals.device)]
    if isinstance(signals, dict):
        return {name: taken(signal, places) for name, signal in signals.items()}
    return tuple(taken(signal, places) for signal in signals)
