"""A new criterion's file and its test, written from the two templates in the criteria folder."""

import re
from pathlib import Path

from secateur.errors import SecateurError
from secateur.files import write_text
from secateur.ranking import registry


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Write `<folder>/<name>.py` and `<folder>/test_<name>.py`; returns both paths.

    Raises SecateurError for a name that is no name of a Python file or is taken, or files that are there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.startswith("test_"):
        raise SecateurError(
            f"'{name}' is no name for a criterion; allowed are small letters, digits and _, as in my_criterion."
        )
    taken = registry.find([folder] if folder.is_dir() else [])
    if name in taken:
        raise SecateurError(f"criterion '{name}' is there already: {taken[name].path}. Choose another name.")
    made = folder / f"{name}.py", folder / f"test_{name}.py"
    if made[1].exists():
        raise SecateurError(f"{made[1]} is there already. Remove it or choose another name.")
    for path, template in zip(made, ("_template.py", "_template_test.py"), strict=True):
        text = (registry.BUILT_IN / template).read_text(encoding="utf-8")
        write_text(path, text.replace("_template", name))
    return made
