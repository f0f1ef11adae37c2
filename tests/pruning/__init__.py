"""Tests of the pruning room; a package, so that they share the small networks."""
