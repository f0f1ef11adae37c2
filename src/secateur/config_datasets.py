"""The datasets that a run may use: the entries of config/datasets.yaml, with those of its own config over them."""

from pathlib import Path
from typing import Any

from secateur import shipped
from secateur.data.store import check_kind
from secateur.errors import SecateurError
from secateur.files import expanded, read_json

DATASETS = shipped.ROOT / "config" / "datasets.yaml"

Config = dict[str, Any]


def datasets_of(config: Config) -> list[str]:
    """Names of all datasets that the run uses, in a fixed order."""
    sources = [backbone["weights"] for backbone in config["backbones"].values()]
    names = [source["pretrain"] for source in sources if "pretrain" in source]
    names += [study["dataset"] for study in config["studies"].values()]
    names += config.get("toy", {}).get("datasets", [])
    return list(dict.fromkeys(names))


def datasets(config: Config | None = None) -> dict[str, dict[str, Any]]:
    """All entries of config/datasets.yaml, name → entry, with those of the config's own `datasets` over them."""
    known: dict[str, dict[str, Any]] = shipped.parsed(DATASETS)
    own = config["datasets"] if config else {}
    return known | {name: known.get(name, {}) | entry for name, entry in own.items()}


def smallest_class(dataset: str, config: Config) -> int | None:
    """Training samples of the dataset's smallest class: from the data where they are, else from its entry."""
    made = Path("data", dataset, "dataset.json")
    if made.exists():
        return min(read_json(made)["class_sizes"]["train"])
    return datasets(config)[dataset].get("smallest_class")


def check_own(config: Config) -> None:
    """Raise a SecateurError for an entry of the config's own that cannot be made into a dataset."""
    for name, entry in config["datasets"].items():
        if name in ("prepared", "archives"):
            raise SecateurError(f"datasets.{name}: this name is taken by a folder in data/; choose another.")
        whole = datasets(config)[name]
        check_kind(f"datasets.{name}", whole)
        if whole["kind"] not in ("digits", "points") and ("path" in whole) == ("files" in whole):
            raise SecateurError(f"datasets.{name}: give either path (your own folder or archive) or files.")
        if "path" in entry and not expanded(entry["path"], f"datasets.{name}.path").exists():
            raise SecateurError(f"datasets.{name}.path: there is no file or folder {entry['path']}.")


def check_known(name: str, key: str, task: str, config: Config) -> None:
    """Raise a SecateurError that names `key` where there is no dataset `name` for the `task`, "images" or "points"."""
    known = [dataset for dataset, entry in datasets(config).items() if entry.get("task", "images") == task]
    if name not in known:
        raise SecateurError(
            f"{key}: unknown dataset '{name}'; known are {', '.join(known)}. "
            "A new one is an entry in config/datasets.yaml, or under `datasets` in the run's config."
        )
