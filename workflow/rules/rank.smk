# Rankings: one rule a criterion, so that editing a criterion's file reruns that criterion alone.
# Those that are rules of the user's own: cases.smk.

for criterion in IN_PYTHON:

    rule:
        name:
            f"rank_{criterion}"
        input:
            criterion=criterion_code(criterion),
            tuned=tuned_of(criterion),
            data=dataset_of,
            units=units_of,
            models=rules.transfer.output.models,
            samples=rules.transfer.output.samples,
        output:
            f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            gpu=GPU,
            mem_mb=memory_of,
            runtime=minutes_of("rank"),
        params:
            config=CONFIG,
            code=code("rank", [criterion]),
            criterion=criterion,
            settings=lambda wildcards, criterion=criterion: criterion_settings(
                wildcards.study, criterion
            )
            | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
            tuned=tuned_option,
            usage=f"{RESULTS}/usage/rank/{{study}}-{criterion}-{{part}}.json",
        shell:
            "secateur --usage {params.usage} --code {params.code} rank --config {params.config} --study {wildcards.study} "
            "--criterion {params.criterion} --seeds {wildcards.part} --data {input.data} --units {input.units} "
            "--models {input.models} --samples {input.samples} {params.tuned} --output {output} 2>&1 | tee {log}"


for criterion in [name for name in CRITERIA if "tune" in entry_of(name)]:

    rule:
        name:
            f"tune_{criterion}"
        input:
            criterion=criterion_code(criterion),
            data=dataset_of,
            units=units_of,
            models=rules.transfer.output.models,
            samples=rules.transfer.output.samples,
        output:
            f"{RESULTS}/tuning/{{study}}/{criterion}/{{part}}.parquet",
        log:
            f"{RESULTS}/logs/tune/{{study}}/{criterion}/{{part}}.log",
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            gpu=GPU,
            mem_mb=memory_of,
            runtime=minutes_of("retrain"),
        params:
            config=CONFIG,
            code=code("tune", [criterion]),
            criterion=criterion,
            settings=lambda wildcards, criterion=criterion: criterion_settings(
                wildcards.study, criterion
            )
            | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
            usage=f"{RESULTS}/usage/tune/{{study}}-{criterion}-{{part}}.json",
        shell:
            "secateur --usage {params.usage} --code {params.code} tune --config {params.config} --study {wildcards.study} "
            "--criterion {params.criterion} --seeds {wildcards.part} --data {input.data} --units {input.units} "
            "--models {input.models} --samples {input.samples} --output {output} 2>&1 | tee {log}"


# Other draws of reference samples on one network, for the agreement of a criterion with itself.
rule redraw:
    input:
        criterion=lambda wildcards: criterion_code(wildcards.criterion),
        data=dataset_of,
        units=units_of,
        models=f"{RESULTS}/models/{{study}}/{next(iter(PARTS))}.safetensors",
    output:
        f"{RESULTS}/redraws/{{study}}/{{criterion}}.safetensors",
    log:
        f"{RESULTS}/logs/redraw/{{study}}/{{criterion}}.log",
    group:
        "redraw"
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("redraw"),
    params:
        config=CONFIG,
        code=code("redraw"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "agreement"
        )
        | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
        usage=f"{RESULTS}/usage/redraw/{{study}}-{{criterion}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} redraw --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --data {input.data} --units {input.units} --models {input.models} "
        "--output {output} 2>&1 | tee {log}"
