# The two branches with what is common to all criteria, the grid of filter and neuron rates, cost and latency, and
# pictures for the report.


rule unpruned:
    input:
        data=dataset_of,
        models=rules.transfer.output.models,
    output:
        f"{RESULTS}/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/unpruned/{{study}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("unpruned"),
    params:
        config=CONFIG,
        code=code("unpruned"),
        settings=lambda wildcards: study_settings(wildcards.study)
        | {
            "validation": resolved["training"]["validation"],
            "batch_size": resolved["retrain"]["finetune"]["batch_size"],
        },
        usage=f"{RESULTS}/usage/unpruned/{{study}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} unpruned --config {params.config} --study {wildcards.study} "
        "--seeds {wildcards.part} --data {input.data} --models {input.models} --output {output} 2>&1 | tee {log}"


rule fewshot:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        rankings=f"{RESULTS}/rankings/{{study}}/{{criterion}}/{{part}}.safetensors",
    output:
        curves=f"{RESULTS}/curves/fewshot/{{study}}/{{criterion}}/{{part}}.parquet",
        profiles=f"{RESULTS}/profiles/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/fewshot/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("fewshot"),
    params:
        config=CONFIG,
        code=code("fewshot"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "run", "fewshot"
        ),
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/fewshot/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} fewshot --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} --unpruned {input.unpruned} "
        "--models {input.models} --rankings {input.rankings} "
        "--curves {output.curves} --profiles {output.profiles} 2>&1 | tee {log}"


rule repair:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        samples=rules.transfer.output.samples,
        rankings=f"{RESULTS}/rankings/{{study}}/{{criterion}}/{{part}}.safetensors",
    output:
        f"{RESULTS}/curves/repaired/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/repair/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("repair"),
    params:
        config=CONFIG,
        code=code("repair"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "run", "fewshot"
        )
        | {"remedies": resolved["fewshot"]["remedies"]},
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/repair/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} repair --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} "
        "--unpruned {input.unpruned} --models {input.models} --samples {input.samples} --rankings {input.rankings} "
        "--output {output} 2>&1 | tee {log}"


rule decompose:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        rankings=f"{RESULTS}/rankings/{{study}}/{{criterion}}/{{part}}.safetensors",
    output:
        f"{RESULTS}/curves/decomposed/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/decompose/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("decompose"),
    params:
        config=CONFIG,
        code=code("decompose"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "run", "decompose"
        ),
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/decompose/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} decompose --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} --unpruned {input.unpruned} "
        "--models {input.models} --rankings {input.rankings} --output {output} 2>&1 | tee {log}"


rule grid:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        rankings=f"{RESULTS}/rankings/{{study}}/{{criterion}}/{{part}}.safetensors",
    output:
        f"{RESULTS}/grid/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/grid/{{study}}/{{criterion}}/{{part}}.log",
    group:
        "prune"
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("grid"),
    params:
        config=CONFIG,
        code=code("grid"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "run"
        )
        | {"grid": resolved["fewshot"]["grid"]},
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/grid/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} grid --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} --unpruned {input.unpruned} "
        "--models {input.models} --rankings {input.rankings} --output {output} 2>&1 | tee {log}"


rule retrain:
    input:
        criterion=retrain_code,
        tuned=tuned_of_round,
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        samples=rules.transfer.output.samples,
    output:
        curves=f"{RESULTS}/curves/retrain/{{study}}/{{criterion}}/{{part}}.parquet",
        shapes=f"{RESULTS}/shapes/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/retrain/{{study}}/{{criterion}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("retrain"),
    params:
        config=CONFIG,
        code=code("retrain"),
        settings=lambda wildcards: criterion_settings(
            wildcards.study, wildcards.criterion, "run", "retrain"
        )
        | {"validation": resolved["training"]["validation"]},
        tuned=tuned_option,
        state=f"{RESULTS}/state/retrain/{{study}}/{{criterion}}/{{part}}",
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/retrain/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} retrain --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} --unpruned {input.unpruned} "
        "--models {input.models} --samples {input.samples} --state {params.state} {params.tuned} "
        "--output {output.curves} --shapes {output.shapes} 2>&1 | tee {log}"


rule retrain_unpruned:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
    output:
        f"{RESULTS}/curves/unpruned/{{study}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/retrain_unpruned/{{study}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("retrain_unpruned"),
    params:
        config=CONFIG,
        code=code("retrain-unpruned"),
        settings=lambda wildcards: study_settings(
            wildcards.study, "scope", "budget", "run", "retrain"
        )
        | {"validation": resolved["training"]["validation"]},
        state=f"{RESULTS}/state/retrain_unpruned/{{study}}/{{part}}",
        shared=f"{RESULTS}/shared/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/retrain_unpruned/{{study}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} retrain-unpruned --config {params.config} --study {wildcards.study} "
        "--seeds {wildcards.part} --data {input.data} --shared {params.shared} --units {input.units} --unpruned {input.unpruned} "
        "--models {input.models} --state {params.state} --output {output} 2>&1 | tee {log}"


rule scratch:
    input:
        data=dataset_of,
        units=units_of,
        models=rules.transfer.output.models,
        unpruned=rules.unpruned.output,
        shapes=rules.retrain.output.shapes,
        # Of several pretrainings, which all take the same steps, any.
        backbone=lambda wildcards: backbones_of(wildcards)[0].replace(
            ".safetensors", ".json"
        ),
    output:
        f"{RESULTS}/curves/scratch/{{study}}/{{criterion}}/{{part}}.parquet",
    log:
        f"{RESULTS}/logs/scratch/{{study}}/{{criterion}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("scratch"),
    params:
        config=CONFIG,
        code=code("scratch"),
        settings=lambda wildcards: study_settings(
            wildcards.study, "scope", "budget", "run", "retrain"
        )
        | {
            "pretrain": resolved["training"]["pretrain"],
            "transfer": resolved["studies"][wildcards.study]["transfer"],
            "validation": resolved["training"]["validation"],
        },
        state=f"{RESULTS}/state/scratch/{{study}}/{{criterion}}/{{part}}",
        usage=f"{RESULTS}/usage/scratch/{{study}}-{{criterion}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} scratch --config {params.config} --study {wildcards.study} "
        "--criterion {wildcards.criterion} --seeds {wildcards.part} --data {input.data} --units {input.units} "
        "--unpruned {input.unpruned} --models {input.models} --shapes {input.shapes} --backbone {input.backbone} "
        "--state {params.state} --output {output} 2>&1 | tee {log}"


rule cost:
    input:
        criteria=[criterion_code(criterion) for criterion in IN_PYTHON],
        data=dataset_of,
        units=units_of,
        models=f"{RESULTS}/models/{{study}}/{next(iter(PARTS))}.safetensors",
    output:
        f"{RESULTS}/cost/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/cost/{{study}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("cost"),
    params:
        config=CONFIG,
        code=code("cost", IN_PYTHON),
        settings=lambda wildcards: study_settings(
            wildcards.study, "criteria", "cost", "scope", "batch_size"
        )
        | {"remedies": resolved["fewshot"]["remedies"]},
        usage=f"{RESULTS}/usage/cost/{{study}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} cost --config {params.config} --study {wildcards.study} "
        "--data {input.data} --units {input.units} --models {input.models} --output {output} 2>&1 | tee {log}"


rule latency:
    input:
        data=dataset_of,
        units=units_of,
        models=f"{RESULTS}/models/{{study}}/{next(iter(PARTS))}.safetensors",
        rankings=[
            f"{RESULTS}/rankings/{{study}}/{criterion}/{next(iter(PARTS))}.safetensors"
            for criterion in CRITERIA
        ],
    output:
        f"{RESULTS}/latency/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/latency/{{study}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("latency"),
    params:
        config=CONFIG,
        code=code("latency"),
        settings=lambda wildcards: study_settings(
            wildcards.study, "latency", "scope", "scheme", "budget", "min_units"
        ),
        usage=f"{RESULTS}/usage/latency/{{study}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} latency --config {params.config} --study {wildcards.study} "
        "--data {input.data} --units {input.units} --models {input.models} --output {output} "
        "{input.rankings} 2>&1 | tee {log}"


rule gallery:
    input:
        criteria=[criterion_code(criterion) for criterion in IN_PYTHON],
        data=dataset_of,
        units=units_of,
        models=f"{RESULTS}/models/{{study}}/{next(iter(PARTS))}.safetensors",
        samples=f"{RESULTS}/samples/{{study}}/{next(iter(PARTS))}.csv",
        rankings=[
            f"{RESULTS}/rankings/{{study}}/{criterion}/{next(iter(PARTS))}.safetensors"
            for criterion in CRITERIA
        ],
    output:
        f"{RESULTS}/gallery/{{study}}.npz",
    log:
        f"{RESULTS}/logs/gallery/{{study}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("gallery"),
    params:
        config=CONFIG,
        code=code("gallery"),
        settings=lambda wildcards: study_settings(
            wildcards.study,
            "criteria",
            "gallery",
            "scope",
            "scheme",
            "budget",
            "min_units",
            "batch_size",
        )
        | {"samples_per_class": resolved["fewshot"]["samples_per_class"]},
        usage=f"{RESULTS}/usage/gallery/{{study}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} gallery --config {params.config} --study {wildcards.study} "
        "--data {input.data} --units {input.units} --models {input.models} --samples {input.samples} --output {output} "
        "{input.rankings} 2>&1 | tee {log}"
