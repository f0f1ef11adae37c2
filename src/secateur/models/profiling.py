"""What a network costs when it is measured: seconds, the most bytes in use at one time, and bytes on disk."""

import statistics
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode

from secateur.errors import SecateurError
from secateur.models import devices, memory_format


class Latency(NamedTuple):
    """Seconds of one forward pass: median and quartiles of repeated warm runs, on a named device."""

    batch: int
    median: float
    lower: float
    upper: float
    runs: int
    device: str


def seconds(work: Callable[[], Any], on: torch.device) -> float:
    """Wall time of one call, with the device's queue drained before and after."""
    like = devices.of(on)
    like.synchronize()
    began = time.perf_counter()
    work()
    like.synchronize()
    return time.perf_counter() - began


def mean_seconds(work: Callable[[], Any], on: torch.device, least: float) -> float:
    """Seconds of one call, by as many as take `least` seconds together, after one that does not count.

    On a CPU they are the processor's divided by the threads in use, unmoved by what else runs; elsewhere the clock's.
    """
    like = devices.of(on)
    work()
    like.synchronize()
    began, runs = like.work_seconds(), 0
    while runs == 0 or like.work_seconds() - began < least:
        work()
        runs += 1
        like.synchronize()
    return (like.work_seconds() - began) / runs


def latency(
    model: nn.Module,
    input_size: tuple[int, ...],
    *,
    batches: tuple[int, ...] = (1, 64),
    repeats: int = 20,
    warm: int = 3,
    most_seconds: float = 20.0,
) -> list[Latency]:
    """Time of a forward pass in eval mode, without gradients: `repeats` runs at each batch size, after `warm` others.

    After `most_seconds` at one batch size no further run is begun, but three are made in any case. Runs where the model
    lies, on random inputs of its precision and memory format. The model is timed as it is: its batch-norms are not
    folded into its convolutions. It is left in the mode in which it was.
    """
    if repeats < 1 or warm < 0:
        raise SecateurError(f"repeats {repeats}, warm {warm}: needed is at least one repeat and no negative number.")
    parameter = next(iter(model.parameters()))
    training = model.training
    model.eval()
    result = []
    try:
        with torch.inference_mode():
            for batch in batches:
                sample = torch.rand(batch, *input_size, device=parameter.device, dtype=parameter.dtype)
                sample = memory_format.laid_out(sample, memory_format.of(model))
                times: list[float] = []
                for run in range(-warm, repeats):
                    if len(times) >= 3 and sum(times) > most_seconds:
                        break
                    taken = seconds(lambda: model(sample), sample.device)  # noqa: B023 (called at once)
                    if run >= 0:
                        times.append(taken)
                quartiles = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
                device = devices.of(parameter.device).name()
                median = statistics.median(times)
                result.append(Latency(batch, median, quartiles[0], quartiles[2], len(times), device))
    finally:
        model.train(training)
    return result


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """The most bytes that tensors made by `work` held at one time, beyond what was there before.

    On CUDA by its allocator's statistics, elsewhere by watching every operation's outputs (workspace inside an
    operation is not seen there).
    """
    counted = devices.of(device).peak_bytes(work)
    if counted is not None:
        return counted
    with Allocations() as ledger:
        work()
    return ledger.peak


class Allocations(TorchDispatchMode):
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


def disk_bytes(model: nn.Module) -> int:
    """Bytes of the network's weights and buffers as a safetensors file, measured by writing one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}, path
        )
        return path.stat().st_size
