# What a job asks for: a card, memory and running time, from the config's sizes (docs/cluster.md).

import math
from functools import cache

from secateur import machine, workload

# Cards that a job needs. `auto` looks for one on this machine: without it jobs share the cores instead of queueing for
# a card. On a cluster whose first machine has none, the config says `device: cuda`.
GPU = int(
    resolved["device"] == "cuda"
    or (resolved["device"] == "auto" and machine.has_card())
)

# What a cluster is asked for (docs/cluster.md). Upper bounds: VGG-16 has the most multiply-accumulates a pixel of the
# paper's networks, and the speeds are those of an old card and an old core at a tenth of their peak. A job that still
# needs more is given more at its next attempt.
MACS_A_PIXEL = 310_000
MACS_A_SECOND = 1e12 if GPU else 5e9 * resolved["threads"]
SHORTEST_MINUTES = 20
# A job of the demo holds up to 1,020 MB, nearly all of it libraries (the page shows it for each rule); a card has its own.
LIBRARIES_MB = 4000 if GPU else 1200


@cache
def work_of(study):
    """Stage of a study → what one of its jobs computes, in passes of one image; nothing where sizes are unknown."""
    return {
        work.stage: (work.forward + work.training) / work.jobs
        for work in workload.of_study(resolved, study) or []
    }


def minutes_of(stage):
    """The running time to ask for, as a function of wildcards and attempt: doubled at every attempt."""

    def minutes(wildcards, attempt):
        if "study" in wildcards.keys():
            passes = work_of(wildcards.study).get(stage, 0)
            backbone = resolved["studies"][wildcards.study]["backbone"]
        else:
            backbone = wildcards.backbone
            work = workload.of_backbone(resolved, backbone)
            passes = (work.forward + work.training) / work.jobs if work else 0
        pixels = resolved["backbones"][backbone]["size"] ** 2
        expected = passes * pixels * MACS_A_PIXEL / MACS_A_SECOND / 60
        return (SHORTEST_MINUTES + math.ceil(expected)) * 2 ** (attempt - 1)

    return minutes


def asked(stage):
    """What a job of a stage asks for, as a rule's resources."""
    return {"gpu": GPU, "mem_mb": memory_of, "runtime": minutes_of(stage)}


def memory_of(wildcards, attempt):
    """The MB to ask for: libraries, and without a card the signals of a batch; half as much again at every attempt."""
    libraries, signals = LIBRARIES_MB, 0
    if not GPU:
        name = (
            resolved["studies"][wildcards.study]["backbone"]
            if "study" in wildcards.keys()
            else wildcards.backbone
        )
        # Some 400 numbers of 4 bytes for each pixel of an image, as VGG-16 has them in training.
        batch, pixels = (
            resolved["batch_size"],
            resolved["backbones"][name]["size"] ** 2,
        )
        signals = batch * pixels * 1600 // 10**6
    return (libraries + signals) * (attempt + 1) // 2
