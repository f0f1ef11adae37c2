"""Repairing pruned networks without training: what a remedy may look at, its algebra, and how remedies are found."""

NONE = "none"
"""The remedy of networks that are measured as they were cut."""
