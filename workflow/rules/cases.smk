# Criteria that are rules of the user's own, in any language: a case of plain files for every network is laid out, the
# user's rule answers it, and the answers are gathered.

RULES = rules_of_users()
IN_PYTHON = [name for name in CRITERIA if entry_of(name)["criterion"] not in RULES]


for name, path in RULES.items():

    include: str(path)


for criterion in [name for name in CRITERIA if entry_of(name)["criterion"] in RULES]:

    rule:
        name:
            f"rank_{criterion}"
        input:
            scores=in_cases(f"{entry_of(criterion)['criterion']}.csv"),
            networks=in_cases("network.json"),
            data=dataset_of,
            units=units_of,
            models=rules.transfer.output.models,
        output:
            f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        resources:
            mem_mb=memory_of,
            runtime=minutes_of("rank"),
        params:
            config=CONFIG,
            code=code("gather", [criterion]),
            criterion=criterion,
            cases=cases_folder,
            settings=lambda wildcards, criterion=criterion: criterion_settings(
                wildcards.study, criterion
            )
            | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
            usage=f"{RESULTS}/usage/rank/{{study}}-{criterion}-{{part}}.json",
        shell:
            "secateur --usage {params.usage} --code {params.code} gather --config {params.config} --study {wildcards.study} "
            "--criterion {params.criterion} --seeds {wildcards.part} --data {input.data} --units {input.units} "
            "--models {input.models} --cases {params.cases} --output {output} 2>&1 | tee {log}"


rule case:
    input:
        data=dataset_of,
        units=units_of,
        models=models_of,
        samples=samples_of,
    output:
        [
            f"{RESULTS}/cases/{{study}}/{{seed}}-{{samples}}/{name}"
            for name in ("network.json", "network.safetensors", "samples.safetensors")
        ],
    log:
        f"{RESULTS}/logs/case/{{study}}/{{seed}}-{{samples}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("rank"),
    params:
        config=CONFIG,
        code=code("case", []),
        settings=lambda wildcards: study_settings(wildcards.study, "scope"),
        usage=f"{RESULTS}/usage/case/{{study}}-{{seed}}-{{samples}}.json",
        folder=case_folder,
    shell:
        "secateur --usage {params.usage} --code {params.code} case --config {params.config} --study {wildcards.study} "
        "--seed {wildcards.seed} --samples-per-class {wildcards.samples} --data {input.data} --units {input.units} "
        "--models {input.models} --samples {input.samples} --output {params.folder} 2>&1 | tee {log}"


rule case_signals:
    input:
        data=dataset_of,
        units=units_of,
        models=models_of,
        samples=samples_of,
    output:
        temp(f"{RESULTS}/cases/{{study}}/{{seed}}-{{samples}}/signals.safetensors"),
    log:
        f"{RESULTS}/logs/case_signals/{{study}}/{{seed}}-{{samples}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("rank"),
    params:
        config=CONFIG,
        code=code("case", []),
        settings=lambda wildcards: study_settings(
            wildcards.study, "scope", "batch_size"
        ),
        usage=f"{RESULTS}/usage/case_signals/{{study}}-{{seed}}-{{samples}}.json",
        folder=case_folder,
    shell:
        "secateur --usage {params.usage} --code {params.code} case --signals --config {params.config} --study {wildcards.study} "
        "--seed {wildcards.seed} --samples-per-class {wildcards.samples} --data {input.data} --units {input.units} "
        "--models {input.models} --samples {input.samples} --output {params.folder} 2>&1 | tee {log}"
