# Rankings: one rule a criterion, so that editing a criterion's file reruns that criterion alone.
# Those that are rules of the user's own: cases.smk.

for criterion in planned.in_python:

    rule:
        name:
            f"rank_{criterion}"
        input:
            **inputs.network,
            **inputs.samples,
            criterion=criteria.file(criterion),
            tuned=criteria.tuned(criterion),
        output:
            output=f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        threads: planned.config["threads"]
        resources:
            **asked("rank"),
        params:
            **job("rank", settings.of_ranking(name=criterion), criterion=criterion),
        shell:
            dag.COMMAND


for criterion in planned.tuned:

    rule:
        name:
            f"tune_{criterion}"
        input:
            **inputs.network,
            **inputs.samples,
            criterion=criteria.file(criterion),
        output:
            output=f"{RESULTS}/tuning/{{study}}/{criterion}/{{part}}.parquet",
        log:
            f"{RESULTS}/logs/tune/{{study}}/{criterion}/{{part}}.log",
        conda:
            "../../envs/conda.yaml"
        threads: planned.config["threads"]
        resources:
            **asked("retrain"),
        params:
            **job("tune", settings.of_ranking(name=criterion), criterion=criterion),
        shell:
            dag.COMMAND


# Other draws of reference samples on one network, for the agreement of a criterion with itself.
use rule stage as redraw with:
    input:
        **inputs.first_network,
        criterion=criteria.of_job,
    output:
        output=f"{RESULTS}/redraws/{{study}}/{{criterion}}.safetensors",
    log:
        f"{RESULTS}/logs/redraw/{{study}}/{{criterion}}.log",
    group:
        "redraw"
    resources:
        **asked("redraw"),
    params:
        **job("redraw", settings.of_ranking("agreement")),
