"""Looking at a network without leaving a trace: everything a pass could change is put back, also after an error."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from secateur.models import devices


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """In the block the model is in evaluation mode and no parameter requires a gradient; afterwards it is as before.

    Put back bit for bit: the mode of every module (one by one, without calling `train`, which some networks override),
    requires_grad flags, buffers that a forward pass rewrote, and the random states of torch (all devices), numpy and
    Python. Parameters are never written to; no hook is added or removed.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    registered = [(module, dict(module._buffers)) for module in model.modules()]
    buffers = [(buffer, buffer._version, buffer.detach().clone()) for buffer in model.buffers()]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  the legacy generator is what models draw from
    with devices.fork_rng():
        try:
            for module, _ in modes:
                module.training = False
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for parameter, flag in flags:
                parameter.requires_grad_(flag)
            for module, named in registered:
                module._buffers.clear()
                module._buffers.update(named)
            with torch.no_grad():
                for buffer, version, copy in buffers:
                    if buffer._version != version:
                        buffer.copy_(copy)
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
