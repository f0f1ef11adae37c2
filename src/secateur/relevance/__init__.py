"""Layer-wise relevance propagation, exact for networks of affine maps and element-wise activations.

The package can be called, for it is also the library's function: `secateur.relevance(model, images, labels, rule=…)`;
`secateur.library.attribution.relevance` says what it takes and gives.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that passes a call on to the library's function of its name, by the package, which knows the library."""

    def __call__(self, model: Any, images: Any, labels: Any = None, rule: Any = "zplus", **settings: Any) -> Any:
        """Relevance of images for a class: see `secateur.library.attribution.relevance`."""
        return sys.modules["secateur"]._relevance(model, images, labels, rule, **settings)


sys.modules[__name__].__class__ = _Callable
