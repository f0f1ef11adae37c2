"""Secateur: which filters can this network lose?  A benchmark of pruning criteria, and a library that prunes by them.

    import secateur

    pruned = secateur.prune(model, images, labels, rate=0.3, criterion="lrp")
    secateur.save(pruned, "pruned")
    again = secateur.load("pruned")

Nothing is imported until it is asked for: `import secateur` takes no time, and the functions need torch, timm, numpy,
safetensors and torch-pruning alone. The types are in __init__.pyi.
"""

import importlib
from typing import Any

__version__ = "0.2.0"

_ROOMS = {
    "secateur.own.reports": ("Report",),
    "secateur.errors": ("InputError", "SecateurError"),
    "secateur.library.asking": ("PruneSettings", "RankSettings"),
    "secateur.library.folder": ("load", "save"),
    "secateur.library.pruning": ("prune", "rank", "units"),
    "secateur.library.results": ("Ranking", "Units"),
}
_PLACES = {name: room for room, names in _ROOMS.items() for name in names}
_RELEVANCE = "secateur.library.attribution"

__all__ = [
    "InputError",
    "PruneSettings",
    "RankSettings",
    "Ranking",
    "Report",
    "SecateurError",
    "Units",
    "__version__",
    "load",
    "prune",
    "rank",
    "relevance",
    "save",
    "units",
]


def __getattr__(name: str) -> Any:
    if name == "relevance":  # a package of this name that can be called: see secateur/relevance/__init__.py
        return importlib.import_module("secateur.relevance")
    if name == "_relevance":
        return importlib.import_module(_RELEVANCE).relevance
    if name not in _PLACES:
        raise AttributeError(f"module 'secateur' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
