"""Which sources this process really runs, and whether they are those that its job was planned with.

Sources may be edited while a workflow runs, and put back later. So the workflow writes down what it has hashed when it
starts, each of its jobs is told which of that is its own (`--code`), and compares it with the texts that it compiled:
when it starts, before it writes a state to go on from, and when it ends. A job that ran anything else fails.

Nothing of ours is imported at the top: it would be loaded before `watch` can note it.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

PACKAGE = "secateur"
VARIABLE = "SECATEUR_CODE"
"""In the environment of the workflow's jobs, the file of the sources that it planned with."""
_texts: dict[str, dict[bytes, str]] = {}
_planned: dict[str, Any] = {}


class Loader(SourceFileLoader):
    """Compiles a module from its text, which it notes; of a compiled file Python tells the age by the second only."""

    def get_code(self, fullname: str) -> Any:
        """The compiled module."""
        return self.source_to_code(text(fullname, self.path), self.path)


class _Finder:
    """Finds our modules where Python does, for `Loader` to load."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name.startswith(f"{PACKAGE}.") else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(name, spec.loader.path)
        return spec


def watch() -> None:
    """Note from now on what is loaded of our modules; called before there are any but those that call it."""
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(f"{PACKAGE}.") and module.__file__:
            text(name, module.__file__)
    sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]


def text(module: str, path: str | Path) -> bytes:
    """The source of a module, read now and noted as what this process goes by."""
    source = Path(path).read_bytes()
    _texts.setdefault(module, {})[source] = str(path)
    return source


def expect(code: str) -> None:
    """Begin a job that was planned with these sources: `code` is a key of the file that the environment names.

    Raises:
        SecateurError: something else is loaded already, or the file has no such key.
    """
    from secateur.errors import SecateurError
    from secateur.files import read_json

    place = os.environ.get(VARIABLE)
    if not place:
        return
    plan = read_json(place)
    if code not in plan["jobs"]:
        raise SecateurError(
            f"--code: {place} knows no sources '{code}'. Leave the option out to run with what there is."
        )
    job = plan["jobs"][code]
    _planned.update(job, code=code, times={path: _changed(path) for path in job["files"]})
    verify()


def planned() -> str | None:
    """The hash of the sources that this job was planned with and has kept to so far; None where nobody planned it.

    Raises:
        SecateurError: as `verify`.
    """
    verify()
    return _planned.get("code")


def verify() -> None:
    """Do nothing where this process runs what its job was planned with, or where nobody planned it.

    Raises:
        SecateurError: it runs something else; names the file.
    """
    from secateur.errors import SecateurError

    changed = sorted(set(_others())) if _planned else []
    if changed:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise SecateurError(
            f"{changed[0]}{more}: not what it was when the workflow started. What this job made is not used: run again."
        )


def _others() -> Iterator[str]:
    """Files that are not as planned."""
    from secateur.files import md5
    from secateur.sources import hash_of

    for name, expected in (_planned["sources"] | _planned["beside"]).items():
        module, _, definitions = name.partition(":")
        for source, path in _used(module):
            if hash_of(source, definitions.split(",") if definitions else ()) != expected:
                yield os.path.relpath(path)
    for path, expected in _planned["files"].items():
        if _changed(path) != _planned["times"][path] or not Path(path).is_file() or md5(path) != expected:
            yield path


def _used(module: str) -> Iterator[tuple[bytes, str]]:
    """The texts of a module that this process has used, and their file; none where it has not used it."""
    yield from _texts.get(module, {}).items()
    path = getattr(sys.modules.get(module), "__file__", None)
    if path and module not in _texts and Path(path).is_file():  # of an installed package with a criterion
        yield Path(path).read_bytes(), path


def _changed(path: str) -> int:
    """When a file was last changed, by a time that nobody sets back (ns)."""
    return Path(path).stat().st_ctime_ns if Path(path).exists() else 0
