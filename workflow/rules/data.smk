# Data: files are fetched, from a mirror folder or their source; every dataset is made once, for all runs, and checked
# against its pinned hash; its images are decoded and scaled once for each kind of network.


# Run where Snakemake runs, also on a cluster: it needs the network, which the cluster's machines may not have.
localrules:
    fetch,


rule fetch:
    output:
        directory("data/archives/{dataset}"),
    log:
        "logs/fetch/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        entry=options.what_to_fetch,
    shell:
        "secateur data fetch {wildcards.dataset} --output {output} --entry {params.entry:q} 2>&1 | tee {log}"


rule dataset:
    input:
        source=inputs.source_of_dataset,
        pins=dag.brought("data.dvc"),
    output:
        directory("data/{dataset}"),
    log:
        "logs/data/{dataset}.log",
    conda:
        "../../envs/conda.yaml"
    params:
        code=code("data make"),
        entry=options.dataset_entry,
        source=options.source,
    shell:
        "secateur --code {params.code} data make {wildcards.dataset} --output {output} --pins {input.pins} {params.source} "
        "--entry {params.entry:q} 2>&1 | tee {log}"


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
        code=code("data prepare"),
        own=options.architectures_path,
    shell:
        "secateur --code {params.code} data prepare --data {input.data} --architecture {wildcards.architecture} {params.own} "
        "--size {wildcards.size} --colour {wildcards.colour} --threads {threads} --output {output} 2>&1 | tee {log}"
