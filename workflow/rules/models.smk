# Models: a backbone is trained on its source task, then transferred to each study's task once a seed; what of the
# network can be removed is found once.


rule pretrain:
    input:
        data=source_of,
    output:
        f"{RESULTS}/backbones/{{backbone}}.safetensors",
    log:
        f"{RESULTS}/logs/pretrain/{{backbone}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
    params:
        config=CONFIG,
        code=code("models", "data/store.py"),
        settings=lambda wildcards: settings("training")
        | resolved["backbones"][wildcards.backbone],
        usage=f"{RESULTS}/usage/pretrain/{{backbone}}.json",
    shell:
        "secateur --usage {params.usage} pretrain --config {params.config} --backbone {wildcards.backbone} "
        "--data {input.data} --output {output} 2>&1 | tee {log}"


rule transfer:
    input:
        data=dataset_of,
        backbone=backbone_of,
    output:
        models=f"{RESULTS}/models/{{study}}/{{part}}.safetensors",
        samples=f"{RESULTS}/samples/{{study}}/{{part}}.csv",
    log:
        f"{RESULTS}/logs/transfer/{{study}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
    params:
        config=CONFIG,
        code=code("models", "data/store.py", "data/references.py"),
        settings=lambda wildcards: study_settings(wildcards.study, "training")
        | {
            branch: resolved[branch]["samples_per_class"]
            for branch in ("fewshot", "retrain")
        },
        usage=f"{RESULTS}/usage/transfer/{{study}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} transfer --config {params.config} --study {wildcards.study} "
        "--seeds {wildcards.part} --data {input.data} --backbone {input.backbone} "
        "--models {output.models} --samples {output.samples} 2>&1 | tee {log}"


rule units:
    input:
        data=dataset_of,
    output:
        units=f"{RESULTS}/units/{{study}}.safetensors",
        table=f"{RESULTS}/units/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/units/{{study}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    params:
        config=CONFIG,
        code=code("pruning", "models/build.py", "models/small.py", "branches/units.py"),
        settings=lambda wildcards: study_settings(wildcards.study, "scope"),
        usage=f"{RESULTS}/usage/units/{{study}}.json",
    shell:
        "secateur --usage {params.usage} units --config {params.config} --study {wildcards.study} "
        "--data {input.data} --output {output.units} --table {output.table} 2>&1 | tee {log}"
