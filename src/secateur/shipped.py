"""Files that Secateur brings along beside its Python: the workflow, the config's schema, datasets, claims, the page.

In a checkout they lie at its root. A wheel has copies of them inside the package, in `shipped/`, in the same order
(`setup.py` puts them there), so that every path below is the same in both.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_COPIES = PACKAGE / "shipped"
INSTALLED = _COPIES.is_dir()
"""Whether this is an installed package, and not a checkout."""
ROOT = _COPIES if INSTALLED else PACKAGE.parents[1]
"""What the paths of shipped files count from."""


def find(path: str | Path) -> Path:
    """The file `path` of the folder one stands in; where there is none, the one that Secateur brings along.

    So a run uses its own config/claims.yaml if it has one. A path that neither has comes back as it was.
    """
    brought = ROOT / path
    return brought if brought.exists() and not Path(path).exists() else Path(path)
