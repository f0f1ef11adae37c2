"""Intercepting every torch function of a forward pass, whichever module or function calls it.

Also turns in-place functions into ordinary ones, for what they overwrite is needed on the way back: the changed
tensor is a new one, and whoever uses the old one later in the pass is given the new one in its place.
"""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from secateur.errors import SecateurError
from secateur.relevance.vocabulary import (
    AFFINE,
    ATTENTION,
    DROPOUTS,
    arguments_of,
    current_module,
    out_of_place,
    plain_name,
)


class Interception(TorchFunctionMode, ABC):
    """A forward pass under observation; subclasses say what becomes of affine maps and of everything else."""

    def __init__(self, modules: dict[int, str]) -> None:
        """`modules`: id of each module -> its name, to name the culprit in an error."""
        super().__init__()
        self.modules = modules
        self.replaced: dict[int, tuple[Tensor, Tensor]] = {}
        self.stale: dict[int, Tensor] = {}

    @abstractmethod
    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        """A convolution, linear layer or batch-norm (`kind` "normalisation"); `arguments` are the call's by name."""

    @abstractmethod
    def attention(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        """A softmax, or fused attention."""

    @abstractmethod
    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """Any other function, under its plain name."""

    def result(self, model: nn.Module, inputs: Tensor) -> Any:
        """What the model returns for `inputs`, under observation."""
        try:
            with self:
                return self.current(model(inputs))
        finally:
            self.replaced.clear()
            self.stale.clear()

    def where(self) -> tuple[str, str]:
        """Name and class of the module whose code is running."""
        return current_module(self.modules)

    def here(self) -> str:
        """The module whose code is running, for an error."""
        name, kind = self.where()
        return f"module {name!r} ({kind})" if name else f"the network's own forward ({kind})"

    def current(self, value: Any) -> Any:
        """`value` with every tensor that was changed in place replaced by what it was changed to."""
        if not self.replaced:
            return value
        if isinstance(value, Tensor):
            while id(value) in self.replaced:
                value = self.replaced[id(value)][1]
            return value
        if isinstance(value, list | tuple):
            items = [self.current(item) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        if isinstance(value, dict):
            return {key: self.current(item) for key, item in value.items()}
        return value

    def tensors(self, value: Any) -> list[Tensor]:
        """All tensors in nested arguments."""
        if isinstance(value, Tensor):
            return [value]
        if isinstance(value, list | tuple):
            return [tensor for item in value for tensor in self.tensors(item)]
        if isinstance(value, dict):
            return [tensor for item in value.values() for tensor in self.tensors(item)]
        return []

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        args, kwargs = self.current(args), self.current(kwargs or {})
        name, in_place = plain_name(func)
        if name in ("__get__", "__set__", "__delete__", "size", "dim", "stride", "requires_grad"):
            return func(*args, **kwargs)
        if self.stale and any(id(tensor) in self.stale for tensor in self.tensors((args, kwargs))):
            raise SecateurError(
                f"In {self.here()}: a tensor is used after a part of it was changed in place. "
                "Write that change without an in-place function."
            )
        if "inplace" in kwargs:
            in_place = in_place or bool(kwargs["inplace"])
            kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
        function = func
        if in_place and func.__name__.endswith("_"):
            function = out_of_place(name)
            if function is None:  # e.g. copy_ or x[...] = y: carried out; autograd notices if something needed is lost
                return func(*args, **kwargs)
        result = self.computed(function, name, args, kwargs)
        if in_place and isinstance(result, Tensor) and args and isinstance(args[0], Tensor) and result is not args[0]:
            self.replaced[id(args[0])] = (args[0], result)
            if args[0]._base is not None:
                self.stale[id(args[0]._base)] = args[0]._base
        return result

    def computed(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """What a function that changes nothing in place gives."""
        if name in DROPOUTS:
            return self._dropout(args, kwargs)
        if name in AFFINE:
            return self.affine(AFFINE[name], arguments_of(function, name, args, kwargs), function, args, kwargs)
        if name in ATTENTION:
            return self.attention(function, name, args, kwargs)
        return self.handle(function, name, args, kwargs)

    def _dropout(self, args: tuple, kwargs: dict) -> Tensor:
        values = {**dict(zip(("input", "p", "training"), args, strict=False)), **kwargs}
        if values.get("training", True) and values.get("p", 0.5) > 0:
            raise SecateurError(
                f"In {self.here()}: dropout is active in evaluation mode, so the outputs are random. "
                "Give a network that is deterministic in evaluation mode."
            )
        return values["input"]
