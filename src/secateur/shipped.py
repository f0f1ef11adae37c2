"""Files that Secateur brings along beside its Python: the workflow, the config's schema, datasets, claims, the page.

In a checkout they lie at its root. A wheel has copies of them inside the package, in `shipped/`, in the same order
(`setup.py` puts them there), so that every path below is the same in both.
"""

from pathlib import Path
from typing import Any

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


def parsed(path: str | Path) -> Any:
    """What a YAML file of those that Secateur brings along says.

    By PyYAML's parser in C where it has one, ten times as fast: every job of a run reads the schema. Files of users go
    through the one in Python, which ends in an error where lists lie too deep in each other.

    Raises:
        OSError, ValueError: it cannot be read, or is no text.
        yaml.YAMLError: it is no YAML.
    """
    import yaml  # the library does without

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader)
