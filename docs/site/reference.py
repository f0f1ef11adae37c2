"""The pages of the reference, from what the code says of itself: the config's schema, the commands, the library."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer
import yaml

import secateur
from secateur.cli.commands import app
from secateur.config import SCHEMA

ORDER = ("rank", "prune", "relevance", "units", "save", "load")
"""The functions of the library as a newcomer meets them; the classes follow."""


def pages() -> dict[str, str]:
    """Path on the site → text of the page."""
    return {
        "reference/config.md": config(),
        "reference/commands.md": commands(),
        "reference/api.md": api(),
    }


def config() -> str:
    """Every key of a config: what it means, what it may be, and its default."""
    rules = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    lines = [
        "# Keys of a config", "",
        "Every key that a config may have, from the schema that configs are checked by. Without a default a key is "
        "needed, or what it switches on is left out. `<name>` is a name of your own; `[]` an entry of a list.", "",
    ]  # fmt: skip
    for name, rule in rules["properties"].items():
        lines += [f"## {name}", ""]
        for key, inner, needed in keys(name, rule, rules, name in rules["required"]):
            said = " ".join(str(inner.get("description", "")).split()).replace("<", "\\<")
            lines += [f"### `{key}`" if key != name else "", "", said, "", *facts(inner, needed), ""]
    return "\n".join(lines)


def keys(path: str, rule: dict, root: dict, needed: bool) -> Iterator[tuple[str, dict, bool]]:
    """A key and all keys inside it: dotted name, its rule with references put in, and whether it must be given."""
    rule = whole(rule, root)
    yield path, rule, needed
    for inside, place in ((rule, path), (whole(rule.get("items", {}), root), f"{path}[]")):
        for choice in (inside, *(whole(one, root) for one in inside.get("anyOf", []))):
            for name, inner in choice.get("properties", {}).items():
                yield from keys(f"{place}.{name}", inner, root, name in choice.get("required", []))
            others = choice.get("additionalProperties")
            if isinstance(others, dict):
                yield from keys(f"{place}.<name>", others, root, False)


def whole(rule: dict, root: dict) -> dict:
    """A rule with what it refers to put in; what it says itself counts more."""
    if "$ref" not in rule:
        return rule
    own = {key: value for key, value in rule.items() if key != "$ref"}
    return root["$defs"][rule["$ref"].rpartition("/")[2]] | own


def facts(rule: dict, needed: bool) -> list[str]:
    """What a key may be and its default, as a list."""
    found = [f"- allowed: {allowed(rule)}"]
    if "default" in rule:
        found.append(f"- default: `{yaml.safe_dump(rule['default'], default_flow_style=True).splitlines()[0]}`")
    elif needed:
        found.append("- needed")
    return found


def allowed(rule: dict) -> str:
    """What a key may be, in words."""
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    if "const" in rule:
        return f"`{rule['const']}`"
    if "anyOf" in rule:
        return " or ".join(dict.fromkeys(allowed(one) for one in rule["anyOf"]))
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}.get(
        rule.get("type", ""), {"array": "list", "object": "mapping"}.get(rule.get("type", ""), "see above")
    )
    if rule.get("type") == "array" and "items" in rule and "$ref" not in rule["items"]:
        kind += f" of {allowed(rule['items'])}"
    bounds = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    return ", ".join([kind, *(f"{word} {rule[key]}" for key, word in bounds.items() if key in rule)])


def commands() -> str:
    """Every subcommand with its arguments and options, as `--help` has them."""
    lines = ["# Commands", "", "`secateur <command> --help` says the same.", ""]
    for path, command in walked(typer.main.get_command(app), ("secateur",)):
        lines += [f"## {' '.join(path)}", "", *paragraphs(command.help or ""), ""]
        rows = [row(one) for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
        if rows:
            lines += ["| option | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def walked(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and those inside it, in the order of their names."""
    yield path, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from walked(inner, (*path, name))


def paragraphs(text: str) -> list[str]:
    """A help text, whose paragraphs are wrapped, with Markdown's own characters kept as they are."""
    return [" ".join(part.split()).replace("<", "\\<").replace("|", "\\|") + "\n" for part in
            inspect.cleandoc(text).split("\n\n")]  # fmt: skip


def row(one: Any) -> str:
    """A row of the table of options."""
    name = ", ".join(f"`{option}`" for option in [*one.opts, *one.secondary_opts])
    if one.param_type_name == "argument":
        name = f"`{(one.metavar or one.name).upper()}`"
    unsaid = one.default in (None, False, ()) or callable(one.default)
    default = "needed" if one.required else "" if unsaid else one.default
    said = " ".join((getattr(one, "help", "") or "").split()).replace("|", "\\|").replace("<", "\\<")
    return f"| {name} | {said} | {f'`{default}`' if default not in ('', 'needed') else default} |"


def api() -> str:
    """The library: every public name with its signature and docstring, read by Sphinx."""
    classes = [name for name in secateur.__all__ if name not in ORDER and not name.startswith("__")]
    lines = ["# The library, name by name", "", "How they work together: [the library](../library.md).", ""]
    for name in (*ORDER, *classes):
        thing = secateur._relevance if name == "relevance" else getattr(secateur, name)
        kind = "autofunction" if inspect.isroutine(thing) else "autoclass"
        members = "   :members:\n" if kind == "autoclass" else ""
        lines += [f"## secateur.{name}", "", "```{eval-rst}", f".. {kind}:: {thing.__module__}.{thing.__qualname__}"]
        lines += [members + "```", ""]
    return "\n".join(lines)
