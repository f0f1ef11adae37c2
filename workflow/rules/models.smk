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
        **asked("backbone"),
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


use rule stage as transfer with:
    input:
        data=dataset_of,
        backbone=backbones_of,
    output:
        models=f"{RESULTS}/models/{{study}}/{{part}}.safetensors",
        samples=f"{RESULTS}/samples/{{study}}/{{part}}.csv",
        history=f"{RESULTS}/models/{{study}}/{{part}}.csv",
    log:
        f"{RESULTS}/logs/transfer/{{study}}/{{part}}.log",
    resources:
        **asked("transfer"),
    params:
        **job(
            "transfer",
            of_study(
                transfer=transfer_of,
                validation=VALIDATION,
                fewshot=IMAGES,
                retrain=resolved["retrain"]["samples_per_class"],
            ),
            state=f"{RESULTS}/state/transfer/{{study}}/{{part}}",
        ),


# What of a network can be removed asks for no card, and for minutes on any machine.
use rule stage as units with:
    input:
        data=dataset_of,
    output:
        output=f"{RESULTS}/units/{{study}}.safetensors",
        table=f"{RESULTS}/units/{{study}}.parquet",
    log:
        f"{RESULTS}/logs/units/{{study}}.log",
    resources:
        mem_mb=memory_of,
    params:
        **job(
            "units",
            lambda wildcards: network_settings(wildcards.study, "scope"),
        ),


# The network of a study with what can be removed of it, and the reference samples of its seeds, as most stages read it.
NETWORK = {
    "data": dataset_of,
    "units": units_of,
    "models": rules.transfer.output.models,
}
SAMPLES = {"samples": rules.transfer.output.samples}
FIRST = next(iter(PARTS))
# What is measured on networks of one part alone.
FIRST_NETWORK = NETWORK | {"models": f"{RESULTS}/models/{{study}}/{FIRST}.safetensors"}
