"""A card for machines without one: a device whose operations run on the CPU, and refuse operands of two devices.

What a network does on it has the very numbers of the CPU, so that whatever differs was done elsewhere than on the card,
or not at all. As on CUDA, tensors of one number may come from the CPU, and so may indices; generators may not.
Uses PyTorch's experimental backends in Python. Times on it mean nothing.
"""

from typing import Any

import torch
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from secateur.models.profiling import Allocations

NAME = "card"
FREE_BYTES = 1 << 30
TRANSFERS = {"aten::_to_copy", "aten::copy_", "aten::_copy_from"}
INDEXED = {"aten::index": 1, "aten::index_put": 1, "aten::index_put_": 1, "aten::_index_put_impl_": 1}
"""Operations that take indices from the CPU, and at which place."""
FACTORIES = [
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.empty_strided.default,
    torch.ops.aten.arange.default,
    torch.ops.aten.arange.start,
    torch.ops.aten.arange.start_step,
    torch.ops.aten.linspace.default,
    torch.ops.aten.eye.default,
    torch.ops.aten.eye.m,
    torch.ops.aten.randperm.default,
]
"""What makes tensors of nothing; all others (zeros, rand, ...) fill an empty one."""
_within: list[TorchDispatchMode] = []
"""What watches the operations that run on the CPU in the card's stead, while something is measured."""


class OnCard(torch.Tensor):
    """A tensor on the card: says that it is there, and holds its numbers in a tensor on the CPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor, requires_grad: bool = False) -> "OnCard":
        with torch.inference_mode(False):  # views of a tensor that was made in it cannot be made by a subclass
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                held.size(),
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                device=torch.device(NAME, 0),
                requires_grad=requires_grad,
            )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})

    @property
    def data(self) -> torch.Tensor:
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        torch.Tensor.data.__set__(self, value)
        self.held = value.held

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.held.numpy(force=True)
        raise TypeError(f"can't convert {NAME} device type tensor to numpy. Use Tensor.cpu() first.")


def _run(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on what its operands hold; its results are on the card, unless it brings them to the CPU."""
    name = operation._schema.name
    given = list(args)
    if name in INDEXED:
        indices = tree.tree_leaves(given.pop(INDEXED[name]))
        if not isinstance(args[0], OnCard) and any(isinstance(each, OnCard) for each in indices):
            raise RuntimeError(
                f"{name}: indices should be on the CPU, where the indexed tensor is, but are on the card"
            )
    leaves = tree.tree_leaves((given, kwargs))
    elsewhere = [each for each in leaves if isinstance(each, torch.Tensor) and not isinstance(each, OnCard)]
    on_card = any(isinstance(each, OnCard) for each in leaves)
    if on_card and name not in TRANSFERS and any(each.dim() > 0 for each in elsewhere):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found the CPU and the card in {name}")
    if on_card and any(isinstance(each, torch.Generator) for each in leaves):
        raise RuntimeError(f"Expected a generator of the card, but found one of the CPU in {name}")
    if kwargs.get("device") is not None:
        on_card = kwargs["device"].type == NAME
        kwargs = kwargs | ({"device": torch.device("cpu")} if on_card else {})
    if name == "aten::copy_" and not isinstance(args[0], OnCard):
        return args[0].copy_(args[1].held)
    owners = {id(each.held): each for each in tree.tree_leaves((args, kwargs)) if isinstance(each, OnCard)}
    args, kwargs = tree.tree_map_only(OnCard, lambda each: each.held, (args, kwargs))
    if _within:
        with _within[-1]:
            found = operation(*args, **kwargs)
    else:
        found = operation(*args, **kwargs)

    def wrapped(result: torch.Tensor) -> torch.Tensor:
        owner = owners.get(id(result))
        if owner is None:
            return OnCard(result) if on_card else result
        if owner.shape != result.shape or owner.stride() != result.stride():
            with torch._C._DisableTorchDispatch():
                owner.as_strided_(result.shape, result.stride(), result.storage_offset())
        return owner

    return tree.tree_map_only(torch.Tensor, wrapped, found)


class _Module:
    """What PyTorch asks the module of a device: `torch.card`."""

    def is_initialized(self) -> bool:
        return True

    is_available = is_initialized

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """What is drawn comes from the CPU's stream, which has a seed of its own."""

    def get_rng_state(self, device: Any = NAME) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, device: Any = NAME) -> None:
        torch.set_rng_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def install(kinds: dict[str, Any]) -> None:
    """Register the card with PyTorch, and put it into `devices.KINDS` in place of what there may be but for the CPU.

    Once in a process, and before anything was differentiated in it: PyTorch then counts the devices.
    """
    _setup_privateuseone_for_python_backend(NAME, _Module())
    library = torch.library.Library("aten", "IMPL")
    for operation in FACTORIES:
        library.impl(operation, _factory(operation), "PrivateUse1")
    library.impl("_copy_from", _copied, "PrivateUse1")
    _KEPT.append(library)
    Processor = kinds["cpu"]

    class Card(Processor):  # type: ignore[misc, valid-type]
        """The card, to the rest of Secateur."""

        def name(self) -> str:
            return "rehearsal"

        def free_bytes(self) -> int:
            return FREE_BYTES

        def peak_bytes(self, work: Any) -> int:
            ledger = Allocations()
            _within.append(ledger)
            try:
                work()
            finally:
                _within.pop()
            return ledger.peak

    kinds.clear()
    kinds.update({NAME: Card, "cpu": Processor})


_KEPT: list[torch.library.Library] = []
"""A library's operations end with it."""


def _factory(operation: Any) -> Any:
    def made(*args: Any, **kwargs: Any) -> OnCard:
        plain = {key: value for key, value in kwargs.items() if key not in ("device", "pin_memory")}
        return OnCard(operation(*args, **plain, device=torch.device("cpu")))

    return made


def _copied(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    first, second = (each.held if isinstance(each, OnCard) else each for each in (source, target))
    second.copy_(first)
    return target
