"""What only one kind of device has or lacks, in one place: the rest of the package works alike on all of them.

A kind is an entry of `KINDS`. An instance stands for one device of it, and says what it is called, how long its work
takes, how much memory it has, and where its random stream stands; what a kind does not say it does as the CPU does.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from secateur.errors import SecateurError
from secateur.machine import processor


class Kind:
    """The CPU."""

    numbered = False
    """Whether there may be several, called by a number: cuda:1."""
    double_precision = True
    cached = True
    """Whether large batches are slower than small ones, as they leave the processor's cache."""

    def __init__(self, on: torch.device) -> None:
        self.on = on

    @classmethod
    def count(cls) -> int:
        """How many of this kind PyTorch finds here."""
        return 1

    def name(self) -> str:
        """The device in words: here the processor, with the number of threads in use."""
        return f"{processor()}, {torch.get_num_threads()} threads"

    def bfloat16(self) -> bool:
        """Whether training is to be in bfloat16 where the recipe allows it."""
        return False

    def free_bytes(self) -> int | None:
        """Memory that images may stay in; None where reading them from the disk, as the CPU does, is as good."""
        return None

    def synchronize(self) -> None:
        """Wait until all that was asked of the device is done."""

    def work_seconds(self) -> float:
        """A clock of its work: here the processor's time divided by the threads in use, unmoved by what else runs."""
        return time.process_time() / torch.get_num_threads()

    def peak_bytes(self, work: Callable[[], Any]) -> int | None:
        """The most bytes that `work` held at one time; None, and nothing is run, where the device does not count."""
        del work
        return None

    @classmethod
    def random_state(cls) -> Any:
        """Where the random streams of all devices of this kind stand."""
        return torch.get_rng_state()

    @classmethod
    def set_random_state(cls, state: Any) -> None:
        """Put them back to what `random_state` has returned."""
        torch.set_rng_state(state)


class Mps(Kind):
    """A graphics processor of Apple's, through Metal."""

    double_precision = False
    cached = False

    @classmethod
    def count(cls) -> int:
        return int(torch.backends.mps.is_available())

    def name(self) -> str:
        return f"{processor()}, MPS"

    def free_bytes(self) -> int:
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()

    def synchronize(self) -> None:
        torch.mps.synchronize()

    def work_seconds(self) -> float:
        return time.perf_counter()

    @classmethod
    def random_state(cls) -> Any:
        return torch.mps.get_rng_state() if cls.count() else None

    @classmethod
    def set_random_state(cls, state: Any) -> None:
        if state is not None:
            torch.mps.set_rng_state(state)


class Cuda(Kind):
    """A card of NVIDIA's, or one of AMD's, which PyTorch calls by the same name."""

    numbered = True
    cached = False

    @classmethod
    def count(cls) -> int:
        return torch.cuda.device_count() if torch.cuda.is_available() else 0

    def name(self) -> str:
        return torch.cuda.get_device_name(self.on)

    def bfloat16(self) -> bool:
        return torch.cuda.is_bf16_supported()

    def free_bytes(self) -> int:
        return torch.cuda.mem_get_info(self.on)[0]

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.on)

    def work_seconds(self) -> float:
        return time.perf_counter()

    def peak_bytes(self, work: Callable[[], Any]) -> int:
        torch.cuda.synchronize(self.on)
        torch.cuda.reset_peak_memory_stats(self.on)
        before = torch.cuda.memory_allocated(self.on)
        work()
        torch.cuda.synchronize(self.on)
        return torch.cuda.max_memory_allocated(self.on) - before

    @classmethod
    def random_state(cls) -> Any:
        """Empty before the first use of a card, which asking would be."""
        return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    @classmethod
    def set_random_state(cls, state: Any) -> None:
        torch.cuda.set_rng_state_all(state)


KINDS: dict[str, type[Kind]] = {"cuda": Cuda, "mps": Mps, "cpu": Kind}
"""The name of a kind, as PyTorch has it → what it is like; `auto` takes the first that is found."""


def of(on: torch.device) -> Kind:
    """What is special to a device; nothing is to one of a kind that is not listed here."""
    return KINDS.get(on.type, Kind)(on)


def chosen(name: str) -> torch.device:
    """The device called `name`: cpu, cuda, cuda:<number> or mps; "auto" takes CUDA, else MPS, else the CPU.

    Raises SecateurError for another name, or a device that PyTorch does not find here.
    """
    here = {kind: like.count() for kind, like in KINDS.items()}
    if name == "auto":
        name = next(kind for kind, count in here.items() if count)
    kind, colon, number = name.partition(":")
    allowed = ", ".join(["auto", *(kind for kind in reversed(here) if here[kind])])
    if kind not in here or (colon and not (KINDS[kind].numbered and number.isdecimal())):
        raise SecateurError(f"device: {name!r} is unknown; allowed here: {allowed}.")
    if not here[kind]:
        raise SecateurError(f"device: {name} asked for, but PyTorch finds none here; allowed here: {allowed}.")
    if colon and int(number) >= here[kind]:
        last = here[kind] - 1
        raise SecateurError(f"device: {name} asked for, but PyTorch finds {kind}:0 to {kind}:{last} here.")
    return torch.device(name)


def mixed_precision(on: torch.device, wanted: bool) -> AbstractContextManager[Any]:
    """Inside, forward passes are in bfloat16 where that is `wanted` and the device has it; weights stay in float32."""
    return torch.autocast(on.type, torch.bfloat16) if wanted and of(on).bfloat16() else nullcontext()


@contextmanager
def fork_rng() -> Iterator[None]:
    """Inside, anything may be drawn and seeded; afterwards the random streams of all devices are as before."""
    states = [(kind, kind.random_state()) for kind in KINDS.values()]
    try:
        yield
    finally:
        for kind, state in states:
            kind.set_random_state(state)
