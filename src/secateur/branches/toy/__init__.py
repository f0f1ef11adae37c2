"""The 2-D study: three point sets, a small dense network, and what each criterion removes from it."""

from secateur.branches.toy.run import run_toy
from secateur.branches.toy.settings import Settings, ToyCriterion, read_settings

__all__ = ["Settings", "ToyCriterion", "read_settings", "run_toy"]
