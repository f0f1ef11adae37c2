"""Attention whose code takes the width of its heads for that of its input: the same code, told the difference.

After `B, N, C = x.shape` many modules size a head by `C // self.num_heads` and end in `x.reshape(B, N, C)`. With fewer
heads both are wrong: C is the input's width, and the heads' together is what the projection reads. Such a module gets a
class of its own, with the methods of its class but for this: where C means the heads, it is read off the projection.
Which places mean the heads is a rule about the order of statements; whether it is right is for `pruning.heads` to prove
on each kind of module. Nothing but the installed class's own source is compiled, and of the network's values none is
touched. This file needs torch alone: a folder with a pruned network takes it along.
"""

import ast
import copyreg
import inspect
import textwrap
from collections.abc import Sequence
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from torch import nn

READ = "reads_width_of"
"""Attribute of the classes made here: the projection's name, and the names of the layers that make the heads."""


def free(module: nn.Module, projection: str, sources: Sequence[str]) -> None:
    """Let a module's code read the width of its heads off `projection`; nothing changes where it does not need to.

    `sources` are the layers that make the heads. Both by their names in the module.
    """
    if not hasattr(module, READ):
        kind: Any = type(module)
        module.__class__ = freed(kind, projection, tuple(sources), _size(module.get_submodule(projection)))


def recorded(model: nn.Module) -> dict[str, list[Any]]:
    """Module → the projection and sources with which it was freed; modules of which it was not needed are not there."""
    return {
        name: [getattr(module, READ)[0], list(getattr(module, READ)[1])]
        for name, module in model.named_modules()
        if hasattr(module, READ)
    }


def free_again(model: nn.Module, known: dict[str, list[Any]]) -> None:
    """`free` the modules of a network that is loaded: `known` is what was `recorded` of it."""
    for name, (projection, sources) in known.items():
        free(model.get_submodule(name), projection, sources)


@cache
def freed(kind: type, projection: str, sources: tuple[str, ...], size: str) -> type:
    """A class like `kind` that reads the width of its heads as `projection`'s `size`; `kind` where no code needs it."""
    methods: dict[str, Any] = {}
    for name in dir(kind):
        method = getattr(kind, name)
        if isinstance(method, FunctionType) and getattr(nn.Module, name, None) is not method:
            new = _rewritten(method, projection, sources, size)
            if new is not None:
                methods[name] = new
    if not methods:
        return kind
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    made = type(kind.__name__, (kind,), {**methods, **named, READ: (projection, sources, size)})
    copyreg.pickle(made, _reduced)  # type: ignore[arg-type]
    return made


def _size(projection: Any) -> str:
    """The name under which a layer states how many channels it reads."""
    return "in_features" if isinstance(projection, nn.Linear) else "in_channels"


def _reduced(module: nn.Module) -> tuple[Any, ...]:
    """How a module of a class made here is pickled: by the class that it was made from."""
    kind = type(module)
    return _revived, (kind.__mro__[1], *getattr(kind, READ)), module.__dict__


def _revived(kind: Any, projection: str, sources: tuple[str, ...], size: str) -> nn.Module:
    made: Any = freed(kind, projection, sources, size)
    return made.__new__(made)  # type: ignore[no-any-return]


def _rewritten(method: FunctionType, projection: str, sources: tuple[str, ...], size: str) -> FunctionType | None:
    """A method that takes the heads' width from the projection where it took the input's; None where it never does."""
    if method.__code__.co_freevars or hasattr(method, "__wrapped__"):
        return None  # made by other code than its source shows
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or function.decorator_list or not function.args.args:
        return None
    own = function.args.args[0].arg
    names = _widths(function, -1 if size == "in_features" else 1)
    simple = [step for step in ast.walk(function) if isinstance(step, ast.stmt) and not hasattr(step, "body")]
    making = {id(step) for step in simple if _reads(step, own, sources)}
    last = max((step.lineno for step in simple if id(step) in making), default=0)
    swap = _Swap(names, ast.parse(f"{own}.{projection}.{size}", mode="eval").body)
    for step in simple:
        if id(step) in making or (making and step.lineno > last):
            swap.visit(step)
    if not swap.swapped:
        return None
    ast.fix_missing_locations(tree)
    ast.increment_lineno(tree, method.__code__.co_firstlineno - 1)  # tracebacks point to the source that there is
    whole = compile(tree, method.__code__.co_filename, "exec")
    code = next(part for part in whole.co_consts if isinstance(part, CodeType) and part.co_name == function.name)
    new = FunctionType(code, method.__globals__, method.__name__, method.__defaults__)
    new.__kwdefaults__, new.__annotations__ = method.__kwdefaults__, method.__annotations__
    new.__qualname__, new.__doc__ = method.__qualname__, method.__doc__
    return new


def _widths(function: ast.FunctionDef, axis: int) -> set[str]:
    """Names that stand for the size of a tensor's `axis`, as C after `B, N, C = x.shape`."""
    found = set()
    for step in ast.walk(function):
        if not isinstance(step, ast.Assign) or not isinstance(step.targets[0], ast.Tuple):
            continue
        sizes = step.targets[0].elts
        if isinstance(step.value, ast.Attribute) and step.value.attr == "shape" and len(sizes) > 2:
            found |= {each.id for each in [sizes[axis]] if isinstance(each, ast.Name) and each.id != "_"}
    return found


def _reads(step: ast.stmt, own: str, sources: tuple[str, ...]) -> bool:
    """Whether a statement has one of the module's own `sources` in it."""
    return any(
        isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)
        and part.value.id == own and part.attr in sources
        for part in ast.walk(step)
    )  # fmt: skip


class _Swap(ast.NodeTransformer):
    """Puts `other` where one of `names` is read."""

    def __init__(self, names: set[str], other: ast.expr) -> None:
        self._names, self._other, self.swapped = names, other, False

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A name, or what is read in its place."""
        if node.id not in self._names or not isinstance(node.ctx, ast.Load):
            return node
        self.swapped = True
        return ast.copy_location(self._other, node)
