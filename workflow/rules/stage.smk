# What the stages of a study have in common: the rule `stage`, which makes nothing itself. Its heirs show their inputs,
# outputs and settings alone; the names of their files and wildcards are those of their command's options.


wildcard_constraints:
    **dag.PATTERNS,


rule stage:
    log:
        f"{RESULTS}/logs/stage.log",  # every stage names its own
    conda:
        "../../envs/conda.yaml"
    threads: planned.config["threads"]
    shell:
        dag.COMMAND
