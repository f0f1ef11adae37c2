"""A config held against its schema: plain values alone, short forms and defaults filled in, the first mistake named."""

import copy
import difflib
import math
from typing import Any

from secateur.errors import SecateurError

MOST_VALUES = 1_000_000
"""In a config: none that is meant has as many."""
DEEPEST = 50
"""Lists and mappings in each other: none that is meant lies as deep."""
SMALLEST = "config/minimal.yaml is the smallest config that runs."


def plain(config: Any) -> None:
    """Refuse what a config cannot hold, whatever its keys: it is written as JSON, and its numbers are computed with.

    Raises:
        SecateurError: too many values or too deep (aliases of YAML make millions in a few lines), a key that is no
            text, a number that is not finite or has more than 63 bits, text that is not Unicode, a date, a set, …
    """
    if not isinstance(config, dict):
        raise SecateurError(f"config: a mapping of keys to values is needed, found {type(config).__name__}.")
    _bounded(config)
    _plain(config, [])


def written_out(config: dict[str, Any]) -> dict[str, Any]:
    """`config` itself, with what it says in short written out, before defaults fill the rest.

    `retrain: false` is a branch that is not run; each study's own transfer recipe lies over the common one.
    """
    if config.get("retrain") is False:
        config["retrain"] = {"run": False}
    training, studies = config.get("training"), config.get("studies")
    common = training.get("transfer") if isinstance(training, dict) else None
    for study in studies.values() if isinstance(studies, dict) and isinstance(common, dict) else ():
        if isinstance(study, dict) and isinstance(study.get("transfer", {}), dict):
            study["transfer"] = copy.deepcopy(common) | study.get("transfer", {})
    return config


def filled(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """`value` with the schema's defaults in place of what it leaves out.

    `root` is the whole schema, which references (`$ref`) count from.
    """
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]] | {k: v for k, v in schema.items() if k != "$ref"}
    if isinstance(value, dict):
        for key, inner in schema.get("properties", {}).items():
            if key not in value and "default" in inner:
                value[key] = copy.deepcopy(inner["default"])
            if key in value:
                value[key] = filled(value[key], inner, root)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for key in value.keys() - schema.get("properties", {}).keys():
                value[key] = filled(value[key], others, root)
    return value


def check(config: dict[str, Any], schema: dict[str, Any]) -> None:
    """Raise a SecateurError for the first thing in a config that its schema does not allow."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema takes 2.0 for a whole number; range() and PyTorch do not.
    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = extend(Draft202012Validator, type_checker=whole)(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise SecateurError(_sentence(errors[0]))


def in_order(value: Any) -> Any:
    """`value` with the keys of all mappings sorted: what order a file has them in changes nothing."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


def _bounded(value: Any) -> int:
    """How many values a config has, which must not be too many."""
    counts: dict[int, int] = {}

    def count(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        if id(value) not in counts:
            counts[id(value)] = MOST_VALUES  # until it is counted: what contains itself has no end
            counts[id(value)] = 1 + sum(map(count, value.values() if isinstance(value, dict) else value))
        return min(counts[id(value)], MOST_VALUES)

    try:
        if (number := count(value)) < MOST_VALUES:
            return number
    except RecursionError:
        pass
    raise SecateurError(f"config: more than {MOST_VALUES:,} values, or values that contain themselves (YAML aliases).")


def _plain(value: Any, path: list[Any]) -> None:
    key = _key(path)
    match value:
        case dict() | list() if len(path) > DEEPEST:
            raise SecateurError(f"{key[:200]}…: lists and mappings lie too deep in each other.")
        case dict():
            for name, inner in value.items():
                if not isinstance(name, str):
                    raise SecateurError(f"{key}: the key {name!r} is {_kind(name)}, no text. Put it in quotes.")
                _text(name, key)
                _plain(inner, [*path, name])
        case list():
            for number, inner in enumerate(value):
                _plain(inner, [*path, number])
        case str():
            _text(value, key)
        case None | bool():
            pass
        case int() if abs(value) >= 2**63:
            raise SecateurError(f"{key}: a whole number of {value.bit_length()} bits is too large; 63 are allowed.")
        case float() if not math.isfinite(value):
            raise SecateurError(f"{key}: {value!r} is no number to compute with; a finite one is needed.")
        case int() | float():
            pass
        case _:
            raise SecateurError(
                f"{key}: {str(value)[:100]!r} is {_kind(value)}; allowed are text, numbers, true, false, lists and "
                "mappings. Put text in quotes."
            )


def _text(text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SecateurError(f"{key}: {text[:100]!r} is not Unicode text (half of a surrogate pair).") from None
    if "\0" in text:
        raise SecateurError(f"{key}: {text[:100]!r} holds a NUL character, which no name of a file or module may.")


def _kind(value: Any) -> str:
    """A YAML value's type in words."""
    names = {"int": "a number", "float": "a number", "NoneType": "empty", "bytes": "binary"}
    names["bool"] = "a truth value (as yes, no, on and off are)"
    return names.get(type(value).__name__, f"of type {type(value).__name__}")


def _key(path: list[Any]) -> str:
    return ".".join(map(str, path)) or "config"


def _sentence(error: Any) -> str:
    """One plain sentence for a jsonschema error."""
    while error.context:  # of an anyOf, the alternative that came furthest
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    key = _key(list(error.absolute_path))
    given, rule = error.instance, error.schema
    match error.validator:
        case "additionalProperties":
            allowed = list(rule.get("properties", {}))
            unknown = next(name for name in given if name not in allowed)
            near = difflib.get_close_matches(str(unknown), allowed, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            return f"{key}: unknown key '{unknown}'; allowed are {', '.join(allowed)}.{hint}"
        case "required":
            missing = next(name for name in rule["required"] if name not in given)
            example = "" if error.absolute_path else f" {SMALLEST}"
            return f"{key}: the key '{missing}' is missing; needed are {', '.join(rule['required'])}.{example}"
        case "minProperties":
            return f"{key}: at least one entry is needed. {SMALLEST}"
        case "type" if rule["type"] == "integer" and isinstance(given, float):
            near_by = f"; write {int(given)}" if given.is_integer() else ""
            return f"{key}: {given!r} is not a whole number (type integer){near_by}."
        case "type":
            return f"{key}: {given!r} is not of type {rule['type']}."
        case "enum":
            return f"{key}: {given!r} is not allowed; allowed are {', '.join(map(str, rule['enum']))}."
        case "minimum":
            return f"{key}: {given!r} is too small; the smallest allowed is {rule['minimum']}."
        case "maximum":
            return f"{key}: {given!r} is too large; the largest allowed is {rule['maximum']}."
        case "exclusiveMinimum" | "exclusiveMaximum":
            above = f"greater than {rule['exclusiveMinimum']}" if "exclusiveMinimum" in rule else ""
            below = f"less than {rule['exclusiveMaximum']}" if "exclusiveMaximum" in rule else ""
            return (
                f"{key}: {given!r} is out of range; allowed are numbers {' and '.join(filter(None, [above, below]))}."
            )
        case "const":
            return f"{key}: {given!r} is not allowed; allowed are a whole number of at least 1, or '{rule['const']}'."
        case "pattern":
            shown = rule["pattern"].removesuffix(r"(?!\n)")
            return f"{key}: {given!r} is not a name; allowed are letters, digits, '_' and '-' ({shown})."
    return f"{key}: {error.message}."
