"""Many passes over the same images by a network in which each time something else is silent, from there on only."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn


class _Call(NamedTuple):
    """A module's call in the first pass: when it was over, its result, and how often that had been written to then."""

    end: int
    result: Tensor
    version: int


class Replay:
    """A first pass over some images, and further ones that take over from it what was done before a change.

    A module is not run again if it was over before the first call of a layer that is given something else, and if
    nothing has written to its result since. What the network does between its modules is done as ever, so that a
    further pass gives, to the bit, what it would give without this. The network must take the same steps for the same
    images. What its modules gave in the first pass is kept until the end, as for a gradient.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self._model, self._images = model, images
        self._calls: dict[int, _Call] = {}  # by the time at which they began
        self._began: dict[nn.Module, int] = {}
        self._time = 0
        self._changed: int | None = None  # from when on something may differ; None in the first pass

    def first(self) -> Tensor:
        """The logits of the first pass."""
        return self._model(self._images)

    def again(self, layers: Sequence[str]) -> Tensor:
        """The logits of a further pass, where only what these layers are given may differ from the first."""
        began = [self._began.get(self._model.get_submodule(name)) for name in layers]
        self._time, self._changed = 0, min((time for time in began if time is not None), default=0)
        return self._model(self._images)

    def call(self, module: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """What a module gives in this pass; `forward` is its own."""
        begin = self._time
        if self._changed is None:
            self._began.setdefault(module, begin)
        elif (known := self._calls.get(begin)) and self._stands(known):
            self._time = known.end + 1
            return known.result
        self._time += 1
        result = forward(*given, **named)
        if self._changed is None and isinstance(result, Tensor) and not result.is_inference():
            self._calls[begin] = _Call(self._time, result, result._version)
        self._time += 1
        return result

    def _stands(self, known: _Call) -> bool:
        """Whether a call of the first pass, whose time has come, gives in this pass what it gave in that one."""
        return self._changed is not None and known.end < self._changed and known.result._version == known.version


@contextlib.contextmanager
def replay(model: nn.Module, images: Tensor) -> Iterator[Replay]:
    """Within this context `model` passes `images` again and again, without gradients; afterwards it is as it was."""
    replayed = Replay(model, images)
    modules = [module for module in model.modules() if module is not model and "forward" not in vars(module)]
    try:
        for module in modules:
            vars(module)["forward"] = partial(replayed.call, module, module.forward)
        replayed.first()
        yield replayed
    finally:
        for module in modules:
            vars(module).pop("forward", None)
