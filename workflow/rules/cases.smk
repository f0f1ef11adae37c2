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
            **NETWORK,
            scores=in_cases(f"{entry_of(criterion)['criterion']}.csv"),
            networks=in_cases("network.json"),
        output:
            output=f"{RESULTS}/rankings/{{study}}/{criterion}/{{part}}.safetensors",
        log:
            f"{RESULTS}/logs/rank/{{study}}/{criterion}/{{part}}.log",
        group:
            "prune"
        conda:
            "../../envs/conda.yaml"
        threads: resolved["threads"]
        resources:
            **asked("rank"),
        params:
            **job(
                "gather",
                of_criterion(name=criterion, samples_per_class=IMAGES),
                criteria=[criterion],
                without=("scores", "networks"),
                stage="rank",
                criterion=criterion,
                cases=cases_folder,
            ),
            config=CONFIG,
        shell:
            COMMAND


use rule stage as case with:
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
    resources:
        **asked("rank"),
    params:
        **job("case", of_study("scope"), criteria=[], output=case_folder),


use rule stage as case_signals with:
    input:
        data=dataset_of,
        units=units_of,
        models=models_of,
        samples=samples_of,
    output:
        temp(f"{RESULTS}/cases/{{study}}/{{seed}}-{{samples}}/signals.safetensors"),
    log:
        f"{RESULTS}/logs/case_signals/{{study}}/{{seed}}-{{samples}}.log",
    resources:
        **asked("rank"),
    params:
        **job(
            "case --signals",
            of_study("scope", "batch_size"),
            criteria=[],
            output=case_folder,
        ),
