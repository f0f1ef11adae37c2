"""The page's tables about criteria themselves: agreement with oracles, regret, ablations, what a search looked at."""

import pandas as pd

from secateur.report.table import Table, branch_words, build, p_value, percent, plain, signed


def oracle_table(oracle: pd.DataFrame) -> Table:
    """How well each criterion's order is that of the true loss changes."""
    frame = oracle.assign(
        range=[
            f"{low:.2f} … {high:.2f}"
            for low, high in zip(oracle["spearman_smallest"], oracle["spearman_largest"], strict=True)
        ]
    )
    return build(
        "oracle-table", "Agreement with the oracle",
        "The oracle removes every unit alone and measures how the loss on the same reference images changes: the truth "
        "for one removal, not for many at once. Spearman's rank correlation over all units, with the smallest and "
        "largest of any seed; then the mean within layers; the last: share that the lower halves of both orders have "
        "in common (50 % by chance). Means over seeds.",
        frame, {
            "criterion": ("criterion", str), "study": ("study", str), "samples_per_class": ("images per class", str),
            "spearman": ("Spearman", plain), "range": ("over seeds", str), "kendall": ("Kendall", plain),
            "spearman_in_layer": ("Spearman in layers", plain), "overlap_half": ("lower half in common", percent),
            "units": ("units", plain), "seeds": ("seeds", plain),
        }, "statistics/oracle.csv",
    )  # fmt: skip


def regret_table(regret: pd.DataFrame) -> Table:
    """How much worse each criterion's networks are than those of the joint oracle."""
    return build(
        "regret-table", "Regret: what is lost beside the joint oracle",
        "The joint oracle takes out units one after the other (or a share at a time), always those without which the "
        "loss on the reference images is then lowest: it sees what units mean to each other, and costs thousands of "
        "passes. Regret is what it gains on the test images without retraining: its accuracy minus the criterion's "
        "(percentage points), and the criterion's loss minus its own, each averaged over rates, with the exact paired "
        "interval over seeds. Negative: better than the oracle, which is greedy and knows the reference images alone.",
        regret, {
            "criterion": ("criterion", str), "study": ("study", str), "samples_per_class": ("images per class", str),
            "accuracy": ("regret in accuracy", signed), "accuracy_low": ("from", signed),
            "accuracy_high": ("to", signed), "loss": ("regret in loss", plain), "loss_low": ("from", plain),
            "loss_high": ("to", plain), "oracle": ("joint oracle", str), "n": ("n", plain),
        }, "statistics/regret.csv",
    )  # fmt: skip


def choices_table(choices: pd.DataFrame) -> Table:
    """What each variant changes beside its plain criterion."""
    return build(
        "choices-table", "What each choice changes",
        "Each row: a variant of a criterion minus the criterion as it is, in mean accuracy over rates (percentage "
        "points), with the exact interval of the signed-rank test over seeds; “Holm” is corrected for all choices of "
        "the same setting. “≈”: probability that the two are practically equal (within one point).",
        choices, {
            "criterion": ("criterion", str), "choice": ("with", str), "variant": ("variant", str),
            "study": ("study", str), "branch": ("retraining", branch_words),
            "samples_per_class": ("images per class", str), "mean_difference": ("difference", signed),
            "low": ("from", signed), "high": ("to", signed), "wilcoxon_p": ("Wilcoxon p", p_value),
            "wilcoxon_holm": ("… Holm", p_value), "p_equal": ("P(≈)", plain), "n": ("n", plain), "note": ("note", str),
        }, "statistics/choices.csv",
    )  # fmt: skip


def tuning_table(tuning: pd.DataFrame) -> Table:
    """What a criterion with tuned options has seen that the others have not."""
    return build(
        "tuning-table", "Tuned criteria: what the search has looked at",
        "These criteria chose their options on further labelled training images, by pruning the unpruned network and "
        "measuring its accuracy on them; the others have not seen these images. No test image is looked at. One row a "
        "seed.",
        tuning, {
            "criterion": ("criterion", str), "study": ("study", str), "seed": ("seed", plain),
            "images": ("further images", plain), "trials": ("different settings tried", plain),
            "evaluations": ("networks evaluated", plain), "validation_accuracy": ("best accuracy there", percent),
            "options": ("chosen", str),
        }, "tables/tuning.csv",
    )  # fmt: skip
