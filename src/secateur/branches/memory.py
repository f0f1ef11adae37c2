"""Peak memory of tensors while something runs, on the CPU and on CUDA alike."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode

from secateur.models import devices


class _Ledger(TorchDispatchMode):
    """Adds up the storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        for tensor in tree.tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), made_here=False)  # a view of it is no new memory
        result = function(*args, **(kwargs or {}))
        for tensor in tree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), made_here=True)
        return result

    def _count(self, storage: torch.UntypedStorage, made_here: bool) -> None:
        address = storage._cdata
        if address in self.known:
            return
        size = storage.nbytes() if made_here else 0
        self.known.add(address)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._freed, address, size)

    def _freed(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.live -= size


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """The most bytes that tensors made by `work` held at one time, beyond what was there before.

    On CUDA by its allocator's statistics, elsewhere by watching every operation's outputs (workspace inside an
    operation is not seen there).
    """
    counted = devices.of(device).peak_bytes(work)
    if counted is not None:
        return counted
    with _Ledger() as ledger:
        work()
    return ledger.peak
