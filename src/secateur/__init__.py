"""Secateur: a reproducible benchmark of neural-network pruning criteria."""
