"""Secateur: a reproducible benchmark of neural-network pruning criteria."""

__version__ = "0.2.0"
