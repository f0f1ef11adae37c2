"""How networks are trained after pruning, in words from the config, and where that differs from the paper."""

from typing import Any

STALE = "running"
RECIPE = {"epochs", "optimizer", "learning_rate", "batch_size"}
"""What a recipe says at least."""


def transfer(config: dict[str, Any], datasets: list[dict[str, Any]]) -> str:
    """How the networks that are pruned were made, and what of the images was used for what; "" where nothing says it.

    Args:
        config: the run's; datasets: the rows of datasets.csv.
    """
    studies = config.get("studies") or {}
    recipes: dict[str, list[str]] = {}
    for name, study in studies.items():
        recipe = study.get("transfer") or {}
        if set(recipe) >= RECIPE:
            recipes.setdefault(_recipe(recipe), []).append(name)
    said = [
        f"The task's network {'' if len(recipes) == 1 else f'of {_named(names)} '}is the backbone with a head of its "
        f"own, trained for {words}."
        for words, names in recipes.items()
    ]  # fmt: skip
    held = (config.get("training") or {}).get("validation")
    if held:
        said.append(
            f"Of the training images {100 * held:g} % of each class are held out; the most accurate epoch on them is "
            "kept, and no later training uses them."
        )
    said += [
        f"{row['dataset']} has {row['training_images']:,} training and {row['test_images']:,} test images."
        for row in {row["dataset"]: row for row in datasets}.values()
    ]
    return " ".join(said)


def _recipe(recipe: dict[str, Any]) -> str:
    words = (
        f"{recipe['epochs']} epoch{'' if recipe['epochs'] == 1 else 's'} ({recipe['optimizer']}, learning rate "
        f"{recipe['learning_rate']:g}"
    )
    words += f", {recipe['schedule']} schedule" if recipe.get("schedule") else ""
    words += f", weight decay {recipe['weight_decay']:g}" if recipe.get("weight_decay") else ""
    return f"{words}, batches of {recipe['batch_size']})"


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def retraining(config: dict[str, Any]) -> str:
    """The recipe, batch-norm's statistics and the controls, in sentences; "" of a config that does not say."""
    settings = config.get("retrain") or {}
    recipe = settings.get("finetune") or {}
    if not set(recipe) >= RECIPE:
        return ""
    said = [
        f"Each time it is trained for {_recipe(recipe)}, the same for every criterion, on the images that the unpruned "
        "network was trained on, without those held out; the network of the last epoch is measured."
    ]
    if settings.get("batch_norm") == STALE:
        said.append("Batch-norm's running statistics stay what this training leaves.")
    else:
        said.append("Then batch-norm's running statistics are estimated anew from the same images.")
    if stale := _stale(config):
        said.append(f"Not so for {', '.join(stale)}: there they stay what the training leaves.")
    controls = settings.get("controls") or {}
    if controls.get("unpruned"):
        said.append("The unpruned network is trained in the same way, as a control.")
    if controls.get("scratch"):
        said.append(
            "Every pruned shape is also trained from random weights for as many steps as the pruned network has seen: "
            "those of the backbone's pretraining where this run made it, of the transfer and of the rounds up to its "
            "own."
        )
    return " ".join(said)


def differences(config: dict[str, Any]) -> list[str]:
    """How training after pruning differs from the paper's, a sentence each."""
    settings = config.get("retrain") or {}
    recipe = settings.get("finetune") or {}
    differing = []
    if "epochs" in recipe:
        differing.append(
            f"The paper removes 5 % of the filters a round and trains for 10 epochs after each; here "
            f"{len(settings['rates'])} rounds with {recipe['epochs']} epoch{'' if recipe['epochs'] == 1 else 's'} each."
        )
    if settings.get("batch_norm", STALE) != STALE:
        differing.append(
            "After each round's training batch-norm's running statistics are estimated anew; the paper does not say "
            "that it does so. Left as they are, they are largely those of the network before the removal"
            + (f" ({', '.join(stale)} show what that does)." if (stale := _stale(config)) else ".")
        )
    return differing


def _stale(config: dict[str, Any]) -> list[str]:
    """Entries that keep the statistics that training leaves, in a run whose others do not."""
    if config["retrain"].get("batch_norm") == STALE:
        return []
    return [item["name"] for item in config.get("criteria", []) if isinstance(item, dict)
            and item.get("batch_norm") == STALE]  # fmt: skip
