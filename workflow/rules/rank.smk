# Rankings: one rule a criterion, so that editing a criterion's file reruns that criterion alone.
# Those that are rules of the user's own: cases.smk.

for criterion in IN_PYTHON:

    rule:
        name:
            f"rank_{criterion}"
        input:
            **NETWORK,
            **SAMPLES,
            criterion=criterion_code(criterion),
            tuned=tuned_of(criterion),
        output:
            output=f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            **asked("rank"),
        params:
            **job(
                "rank",
                of_criterion(name=criterion, samples_per_class=IMAGES),
                criteria=[criterion],
                criterion=criterion,
            ),
            config=CONFIG,
        shell:
            COMMAND


for criterion in [name for name in CRITERIA if "tune" in entry_of(name)]:

    rule:
        name:
            f"tune_{criterion}"
        input:
            **NETWORK,
            **SAMPLES,
            criterion=criterion_code(criterion),
        output:
            output=f"{RESULTS}/tuning/{{study}}/{criterion}/{{part}}.parquet",
        log:
            f"{RESULTS}/logs/tune/{{study}}/{criterion}/{{part}}.log",
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            **asked("retrain"),
        params:
            **job(
                "tune",
                of_criterion(name=criterion, samples_per_class=IMAGES),
                criteria=[criterion],
                criterion=criterion,
            ),
            config=CONFIG,
        shell:
            COMMAND


# Other draws of reference samples on one network, for the agreement of a criterion with itself.
use rule stage as redraw with:
    input:
        **FIRST_NETWORK,
        criterion=lambda wildcards: criterion_code(wildcards.criterion),
    output:
        output=f"{RESULTS}/redraws/{{study}}/{{criterion}}.safetensors",
    log:
        f"{RESULTS}/logs/redraw/{{study}}/{{criterion}}.log",
    group:
        "redraw"
    resources:
        **asked("redraw"),
    params:
        **job("redraw", of_criterion("agreement", samples_per_class=IMAGES)),
