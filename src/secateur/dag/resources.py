"""What a job asks for: a card, memory and running time, from the config's sizes (docs/cluster.md)."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from secateur import machine, workload
from secateur.dag.planned import PlannedRun

# Upper bounds: VGG-16 has the most multiply-accumulates a pixel of the paper's networks, and the speeds are those of an
# old card and an old core at a tenth of their peak. A job that still needs more is given more at its next attempt.
MACS_A_PIXEL = 310_000
MACS_A_SECOND_CARD, MACS_A_SECOND_CORE = 1e12, 5e9
SHORTEST_MINUTES = 20
# A job of the demo holds up to 1,020 MB, nearly all of it libraries (the page shows it by rule); a card has its own.
LIBRARIES_MB_CARD, LIBRARIES_MB = 4000, 1200
BYTES_A_PIXEL = 1600
"""Of an image's signals: some 400 numbers of 4 bytes, as VGG-16 has them in training."""


class Resources:
    """What the jobs of one run ask for; `resources(stage)` for a rule's `resources`."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run
        device = run.config["device"]
        # `auto` looks for a card on this machine: without it jobs share the cores instead of queueing for a card. On a
        # cluster whose first machine has none, the config says `device: cuda`.
        self._cards = int(device == "cuda" or (device == "auto" and machine.has_card()))
        self._passes = cache(self._passes_of)

    def __call__(self, stage: str) -> dict[str, Any]:
        """What a job of a stage asks for."""
        return {"gpu": self._cards, "mem_mb": self.memory, "runtime": self.minutes(stage)}

    def minutes(self, stage: str) -> Callable[..., int]:
        """The running time to ask for, as a function of wildcards and attempt: doubled at every attempt."""

        def minutes(wildcards: Any, attempt: int) -> int:
            name = self._run.backbone_name(wildcards)
            if "study" in wildcards.keys():  # noqa: SIM118 (Snakemake's wildcards are a list)
                passes = self._passes(wildcards.study).get(stage, 0)
            else:
                work = workload.of_backbone(self._run.config, name)
                passes = (work.forward + work.training) / work.jobs if work else 0
            pixels = self._run.config["backbones"][name]["size"] ** 2
            speed = MACS_A_SECOND_CARD if self._cards else MACS_A_SECOND_CORE * self._run.config["threads"]
            expected = passes * pixels * MACS_A_PIXEL / speed / 60
            return int((SHORTEST_MINUTES + math.ceil(expected)) * 2 ** (attempt - 1))

        return minutes

    def memory(self, wildcards: Any, attempt: int) -> int:
        """The MB to ask for: libraries, and without a card the signals of a batch; half as much again at every
        attempt.
        """
        if self._cards:
            return LIBRARIES_MB_CARD * (attempt + 1) // 2
        pixels = self._run.config["backbones"][self._run.backbone_name(wildcards)]["size"] ** 2
        signals = int(self._run.config["batch_size"] * pixels * BYTES_A_PIXEL // 10**6)
        return (LIBRARIES_MB + signals) * (attempt + 1) // 2

    def _passes_of(self, study: str) -> dict[str, float]:
        """Stage of a study → what one of its jobs computes, in passes of one image; nothing where sizes are unknown."""
        return {
            work.stage: (work.forward + work.training) / work.jobs
            for work in workload.of_study(self._run.config, study) or []
        }
