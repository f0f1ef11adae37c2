# Models: a backbone is fetched, read or pretrained, then transferred to each study's task once a seed; what of the
# network can be removed is found once.


rule backbone:
    input:
        source_of,
    output:
        weights=f"{RESULTS}/backbones/{{backbone}}{{draw}}.safetensors",
        about=f"{RESULTS}/backbones/{{backbone}}{{draw}}.json",
    log:
        f"{RESULTS}/logs/backbone/{{backbone}}{{draw}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("backbone"),
    params:
        config=CONFIG,
        code=code("backbone"),
        settings=lambda wildcards: backbone_settings(wildcards.backbone),
        data=lambda wildcards, input: (
            f"--data {input[0]}"
            if "pretrain" in resolved["backbones"][wildcards.backbone]["weights"]
            else ""
        ),
        draw=lambda wildcards: (
            f"--draw {wildcards.draw[1:]}" if wildcards.draw else ""
        ),
        state=f"{RESULTS}/state/backbone",
        usage=f"{RESULTS}/usage/backbone/{{backbone}}{{draw}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} backbone --config {params.config} --backbone {wildcards.backbone} "
        "{params.data} {params.draw} --state {params.state} --output {output.weights} --about {output.about} 2>&1 | tee {log}"


rule transfer:
    input:
        data=dataset_of,
        backbone=backbones_of,
    output:
        models=f"{RESULTS}/models/{{study}}/{{part}}.safetensors",
        samples=f"{RESULTS}/samples/{{study}}/{{part}}.csv",
        history=f"{RESULTS}/models/{{study}}/{{part}}.csv",
    log:
        f"{RESULTS}/logs/transfer/{{study}}/{{part}}.log",
    conda:
        "../../envs/conda.yaml"
    threads: resolved["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory_of,
        runtime=minutes_of("transfer"),
    params:
        config=CONFIG,
        code=code("transfer"),
        settings=lambda wildcards: study_settings(wildcards.study)
        | {
            "transfer": resolved["studies"][wildcards.study]["transfer"],
            "validation": resolved["training"]["validation"],
        }
        | {
            branch: resolved[branch]["samples_per_class"]
            for branch in ("fewshot", "retrain")
        },
        backbones=backbone_options,
        state=f"{RESULTS}/state/transfer/{{study}}/{{part}}",
        usage=f"{RESULTS}/usage/transfer/{{study}}-{{part}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} transfer --config {params.config} --study {wildcards.study} "
        "--seeds {wildcards.part} --data {input.data} {params.backbones} "
        "--state {params.state} --models {output.models} --samples {output.samples} "
        "--history {output.history} 2>&1 | tee {log}"


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
    resources:
        mem_mb=memory_of,
    params:
        config=CONFIG,
        code=code("units"),
        settings=lambda wildcards: network_settings(wildcards.study, "scope"),
        usage=f"{RESULTS}/usage/units/{{study}}.json",
    shell:
        "secateur --usage {params.usage} --code {params.code} units --config {params.config} --study {wildcards.study} "
        "--data {input.data} --output {output.units} --table {output.table} 2>&1 | tee {log}"
