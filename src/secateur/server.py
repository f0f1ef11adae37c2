"""Where environments made before 0.3 start the `secateur` command; `make` makes them anew and then nobody asks here."""

from secateur.cli.server import main

__all__ = ["main"]
