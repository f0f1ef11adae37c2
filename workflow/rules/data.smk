# Data: every dataset is made once, for all runs, and checked against the hash that data.dvc pins.


rule dataset:
    input:
        pins="data.dvc",
    output:
        directory("data/{dataset}"),
    log:
        "logs/data/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        code=code("data"),
        entry=lambda wildcards: configuration.datasets()[wildcards.dataset],
    shell:
        "secateur data {wildcards.dataset} --output {output} --pins {input.pins} 2>&1 | tee {log}"
