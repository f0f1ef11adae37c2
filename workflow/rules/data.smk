# Data: every dataset is made once, for all runs, and checked against the hash that data.dvc pins; its images are
# decoded and scaled once for each kind of network.

DATASETS = configuration.datasets(resolved)


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
        code=code("data/store.py", "data/digits.py", "data/points.py"),
        entry=lambda wildcards: DATASETS[wildcards.dataset],
    shell:
        "secateur data make {wildcards.dataset} --output {output} --pins {input.pins} 2>&1 | tee {log}"


rule images:
    input:
        data="data/{dataset}",
    output:
        directory("data/prepared/{dataset}/{architecture}-{size}px-{colour}"),
    log:
        "logs/images/{dataset}/{architecture}-{size}px-{colour}.log",
    conda:
        "../../envs/conda.yaml"
    threads: 8
    params:
        code=code("data/preparation.py", "data/index.py", "data/store.py"),
    shell:
        "secateur images --data {input.data} --architecture {wildcards.architecture} --size {wildcards.size} "
        "--colour {wildcards.colour} --threads {threads} --output {output} 2>&1 | tee {log}"
