# Criteria that are rules of the user's own, in any language: a case of plain files for every network is laid out, the
# user's rule answers it, and the answers are gathered.

for path in planned.rule_files():

    include: str(path)


for criterion in planned.own_rules:

    rule:
        name:
            f"rank_{criterion}"
        input:
            **inputs.network,
            scores=criteria.in_cases(f"{planned.entry_of(criterion)['criterion']}.csv"),
            networks=criteria.in_cases("network.json"),
        output:
            output=f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        threads: planned.config["threads"]
        resources:
            **asked("rank"),
        params:
            **job(
                "gather",
                settings.of_ranking(name=criterion),
                stage="rank",
                criterion=criterion,
                cases=options.cases_folder,
            ),
        shell:
            dag.COMMAND


use rule stage as case with:
    input:
        **inputs.of_seed,
    output:
        [
            f"{RESULTS}/cases/{{study}}/{{seed}}-{{samples}}/{name}"
            for name in ("network.json", "network.safetensors", "samples.safetensors")
        ],
    log:
        f"{RESULTS}/logs/case/{{study}}/{{seed}}-{{samples}}.log",
    resources:
        **asked("rank"),
    params:
        **job("case", settings.of_study("scope"), criteria=[], output=options.case_folder),


use rule stage as case_signals with:
    input:
        **inputs.of_seed,
    output:
        temp(f"{RESULTS}/cases/{{study}}/{{seed}}-{{samples}}/signals.safetensors"),
    log:
        f"{RESULTS}/logs/case_signals/{{study}}/{{seed}}-{{samples}}.log",
    resources:
        **asked("rank"),
    params:
        **job("case --signals", settings.of_study("scope", "batch_size"), criteria=[], output=options.case_folder),
