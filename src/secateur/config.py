"""A run's config: read, filled with defaults, checked against the schema and against what there is.

Every mistake is one error that names the key, what was found and what is allowed, before any job starts.
"""

import copy
import itertools
from pathlib import Path
from typing import Any

import yaml

from secateur import schema, shipped
from secateur.config_datasets import check_known, check_own, datasets, smallest_class
from secateur.data.references import ALL, asked_for, largest
from secateur.errors import SecateurError
from secateur.models import build
from secateur.models.build import check_architecture, weights_source
from secateur.ranking.registry import check_options, describe, source_of
from secateur.repair.registry import check as check_remedy

REPOSITORY = shipped.ROOT
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"

Config = dict[str, Any]


def read(path: str | Path) -> Config:
    """The config in `path` (YAML or JSON), resolved; see `resolve`."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SecateurError(f"config {path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are no text, or no number or date
        raise SecateurError(f"config {path}: not valid YAML: {' '.join(str(error).split())[:500]}") from None
    except RecursionError:
        raise SecateurError(f"config {path}: lists and mappings lie too deep in each other.") from None
    return resolve(config)


def resolve(config: Any) -> Config:
    """A copy of `config` with every default filled in and every criterion as a mapping, checked.

    Raises:
        SecateurError: the first thing that is wrong, by key.
    """
    rules = shipped.parsed(SCHEMA)
    schema.plain(config)
    filled = schema.filled(schema.written_out(copy.deepcopy(config)), rules, rules)
    schema.check(filled, rules)
    filled["criteria"] = [_criterion(item) for item in filled["criteria"]]
    if "decompose" in filled:
        whole = {key: filled["fewshot"][key] for key in ("rates", "samples_per_class")}
        filled["decompose"] = copy.deepcopy(whole) | filled["decompose"]
    for backbone in filled["backbones"].values():
        backbone["weights"] = weights_source(backbone["weights"])
    try:
        _check(filled)
    except OSError as error:  # a name that the system refuses, as one that is too long
        raise SecateurError(f"config: {str(error.filename)[:200]}: {error.strerror}.") from None
    known = datasets(filled)
    for backbone in filled["backbones"].values():
        source = known.get(backbone["weights"].get("pretrain"), {})
        backbone.setdefault("colour", source.get("colour", "rgb"))
    return schema.in_order(filled)


def check_entry(name: str, entry: Any) -> None:
    """Raise a SecateurError where a dataset's entry is not what the schema allows under `datasets`."""
    rules = shipped.parsed(SCHEMA)
    held = {"datasets": {name: entry}}
    schema.plain(held)
    schema.check(held, {"$defs": rules["$defs"], "properties": {"datasets": rules["properties"]["datasets"]}})


def toy_criteria(config: Config) -> list[dict[str, Any]]:
    """Entries of the criteria that the 2-D study compares."""
    every = [item["name"] for item in config["criteria"] if not is_rule(config, item) and "tune" not in item]
    chosen = config["toy"].get("criteria", every)
    return [item for item in config["criteria"] if item["name"] in chosen]


def is_rule(config: Config, entry: dict[str, Any]) -> bool:
    """Whether an entry of `criteria` is a Snakemake rule: its jobs are the rule's, and neither timed nor in the toy."""
    return source_of(entry["criterion"], config["criteria_path"]).kind == "rule"


def parts(config: Config) -> dict[str, range]:
    """Blocks of seeds that one job handles, by name: "0-7" → range(0, 8)."""
    step = config["seeds_per_job"]
    blocks = [range(first, min(first + step, config["seeds"])) for first in range(0, config["seeds"], step)]
    return {f"{block[0]}-{block[-1]}": block for block in blocks}


def _criterion(item: str | dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"name": item} if isinstance(item, str) else item
    defaults: dict[str, Any] = {"criterion": given["name"], "options": {}, "ranking": "every-round"}
    if "tune" in given:
        given = given | {"tune": {"trials": 20, "images_per_class": 10, "rates": [0.3, 0.5]} | given["tune"]}
    return defaults | given


def _check_weights(source: dict[str, str], key: str, config: Config) -> None:
    if "pretrain" in source:
        check_known(source["pretrain"], f"{key}.pretrain", "images", config)
    if "file" in source and not Path(source["file"]).is_file():
        raise SecateurError(
            f"{key}: there is no file '{source['file']}'. A path counts from the folder that the workflow is started "
            "in; allowed are hub, hub@<revision>, {file: <path>} and {pretrain: <dataset>}."
        )


def _check(config: Config) -> None:
    """What a schema cannot say: names that must exist, rates that must rise, classes that must be large enough."""
    names = [item["name"] for item in config["criteria"]]
    for name in names:
        if names.count(name) > 1:
            raise SecateurError(f"criteria: the name '{name}' is there twice; give each entry a name of its own.")
    for item in config["criteria"]:
        source_of(item["criterion"], config["criteria_path"])
        if is_rule(config, item) and (item["options"] or "tune" in item):
            raise SecateurError(f"criteria.{item['name']}.options: a Snakemake rule has none; write them in the rule.")
        if not is_rule(config, item):
            tuned = (option.partition(".")[0] for option in item.get("tune", {}).get("options", ()))
            check_options(
                item["criterion"], [*item["options"], *tuned], config["criteria_path"], f"criteria.{item['name']}"
            )
        if "tune" in item:
            _check_tuning(config, item)
        describe(item["criterion"], config["criteria_path"])
    check_own(config)
    build.search(config["architectures_path"])
    for name, backbone in config["backbones"].items():
        check_architecture(backbone["architecture"], f"backbones.{name}.architecture")
        _check_weights(backbone["weights"], f"backbones.{name}.weights", config)
    for name, study in config["studies"].items():
        check_known(study["dataset"], f"studies.{name}.dataset", "images", config)
        if study["backbone"] not in config["backbones"]:
            known = ", ".join(config["backbones"]) or "none"
            raise SecateurError(f"studies.{name}.backbone: unknown backbone '{study['backbone']}'; known are {known}.")
        _check_head(name, study, config["backbones"][study["backbone"]])
    _check_varying(config)
    for branch in ("fewshot", "retrain") if config["retrain"]["run"] else ("fewshot",):
        _check_rising(config[branch]["rates"], f"{branch}.rates")
        for study_name, study in config["studies"].items():
            most, smallest = largest(config[branch]["samples_per_class"]), smallest_class(study["dataset"], config)
            if smallest is not None and most > smallest:
                raise SecateurError(
                    f"{branch}.samples_per_class: {most} reference samples asked for, but the smallest class of "
                    f"{study['dataset']} (studies.{study_name}) has {smallest} training samples; allowed are 1 to "
                    f"{smallest}, or '{ALL}'."
                )
    _check_rising(config["latency"]["rates"], "latency.rates")
    _check_remedies(config)
    if "grid" in config["fewshot"]:
        _check_grid(config["fewshot"]["grid"], config["fewshot"]["samples_per_class"])
    if "decompose" in config:
        _check_decomposition(config)
    if "samples_per_class" in config["gallery"]:
        ranked = config["fewshot"]["samples_per_class"]
        _check_ranked(config["gallery"]["samples_per_class"], "gallery.samples_per_class", ranked)
    for name in config.get("toy", {}).get("datasets", []):
        check_known(name, "toy.datasets", "points", config)
    for name in config.get("toy", {}).get("criteria", []):
        if name not in names:
            raise SecateurError(f"toy.criteria: '{name}' is none of this run's criteria: {', '.join(names)}.")
        if is_rule(config, config["criteria"][names.index(name)]):
            raise SecateurError(f"toy.criteria: '{name}' is a Snakemake rule, too slow for thousands of rankings.")


def _check_head(name: str, study: Config, backbone: Config) -> None:
    """A classifier that is kept must be one of these classes: what its outputs are is said, or taken as their order."""
    source = backbone["weights"].get("pretrain", study["dataset"])
    if study["head"] == "keep" and source != study["dataset"] and "classes" not in backbone:
        raise SecateurError(
            f"studies.{name}.head: keep, but backbone '{study['backbone']}' is pretrained on {source}, whose classes "
            f"are not those of {study['dataset']}. Write head: fresh, or backbones.{study['backbone']}.classes: names "
            "of its outputs in their order."
        )
    if "hub" in backbone["weights"] and backbone["architecture"].startswith(build.TORCHVISION):
        raise SecateurError(
            f"backbones.{study['backbone']}.weights: hub is timm's, and {backbone['architecture']} is none of its "
            "networks. Give {file: <path>} or {pretrain: <dataset>}, or timm's network of that name."
        )


def _check_varying(config: Config) -> None:
    """A backbone that varies must be pretrained here, and a component is drawn anew for seeds that there are."""
    used = [study["backbone"] for study in config["studies"].values()]
    for name in dict.fromkeys(used) if "pretraining" in config["vary"] else ():
        weights = config["backbones"][name]["weights"]
        if "pretrain" not in weights:
            given = next(f"{key}: {value}" for key, value in weights.items())
            raise SecateurError(
                f"vary: pretraining asked for, but the weights of backbone '{name}' are given ({given}), one for all "
                f"seeds. Write backbones.{name}.weights: {{pretrain: <dataset>}}, or leave pretraining out of vary."
            )
    draws, seeds = config["variance"]["draws"], config["seeds"]
    if draws > seeds:
        raise SecateurError(
            f"variance.draws: {draws} networks with a component drawn anew, each beside a seed's own, but there are "
            f"{seeds} seeds; allowed are 0 to {seeds}."
        )


def _check_tuning(config: Config, entry: dict[str, Any]) -> None:
    """There must be training images beside the reference samples to tune on."""
    key, wanted = f"criteria.{entry['name']}.tune", entry["tune"]["images_per_class"]
    _check_rising(entry["tune"]["rates"], f"{key}.rates")
    counts = asked_for(config)
    if ALL in counts:
        raise SecateurError(f"{key}: no image is left to tune on where samples_per_class is '{ALL}'.")
    for name, study in config["studies"].items():
        smallest = smallest_class(study["dataset"], config)
        if smallest is not None and wanted + largest(counts) > smallest:
            raise SecateurError(
                f"{key}.images_per_class: {wanted} images asked for beside {largest(counts)} reference samples, but "
                f"the smallest class of {study['dataset']} (studies.{name}) has {smallest} training samples; allowed "
                f"are 1 to {smallest - largest(counts)}."
            )


def _check_rising(rates: list[float], key: str) -> None:
    for lower, higher in itertools.pairwise(rates):
        if higher <= lower:
            raise SecateurError(f"{key}: {higher} stands after {lower}; rates must rise.")


def _check_grid(grid: dict[str, Any], ranked: list[int | str]) -> None:
    given = [name for name in ("filter_rates", "head_rates", "neuron_rates") if name in grid]
    if len(given) < 2:
        raise SecateurError(
            f"fewshot.grid: it has {given[0] if given else 'no rates'}, and a grid has two dimensions. Give two or "
            "three of filter_rates, head_rates and neuron_rates."
        )
    for name in given:
        _check_rising(grid[name], f"fewshot.grid.{name}")
    _check_ranked(grid["samples_per_class"], "fewshot.grid.samples_per_class", ranked)


def _check_remedies(config: Config) -> None:
    """Those of all studies and of single ones are known, and tried where something is ranked."""
    fewshot = config["fewshot"]
    keys = {f"studies.{name}.remedies": study.get("remedies", []) for name, study in config["studies"].items()}
    for key, names in ({"fewshot.remedies": fewshot["remedies"]} | keys).items():
        for name in names:
            check_remedy(name, key)
    for samples in fewshot.get("repaired_samples_per_class", []):
        _check_ranked(samples, "fewshot.repaired_samples_per_class", fewshot["samples_per_class"])


def _check_decomposition(config: Config) -> None:
    """Its rates and rankings are those of the few-shot branch, and layers must be free to lose different shares."""
    _check_rising(config["decompose"]["rates"], "decompose.rates")
    measured = config["fewshot"]["rates"]
    for rate in config["decompose"]["rates"]:
        if rate not in measured:
            raise SecateurError(
                f"decompose.rates: {rate} is not among fewshot.rates, where the criteria's own choice is measured; "
                f"allowed are {', '.join(map(str, measured))}."
            )
    for samples in config["decompose"]["samples_per_class"]:
        _check_ranked(samples, "decompose.samples_per_class", config["fewshot"]["samples_per_class"])
    if config["scheme"] == "per-layer":
        raise SecateurError(
            "decompose: with the scheme per-layer every layer loses the same share, whatever the criterion, so there "
            "is nothing to tell apart. Write scheme: global, or leave decompose out."
        )
    if config["budget"] != "units":
        raise SecateurError(
            f"decompose: the same share of every layer is a share of its units, but budget is {config['budget']}. "
            "Write budget: units, or leave decompose out."
        )


def _check_ranked(samples: int | str, key: str, ranked: list[int | str]) -> None:
    if samples not in ranked:
        raise SecateurError(
            f"{key}: nothing is ranked on {samples} reference samples of "
            f"each class; allowed are those of fewshot.samples_per_class: {', '.join(map(str, ranked))}."
        )
