# Secateur: which filters can this network lose?  The whole benchmark, one stage after the other.
#
#   snakemake --cores all                                  the demo (config/demo.yaml)
#   snakemake --cores all --configfile config/mine.yaml    a run of your own
#   snakemake -n                                           what would run

from snakemake.exceptions import WorkflowError

from secateur.errors import SecateurError

# Only where the user names none: Snakemake would merge the two, and the demo's studies would leak into his run.
if not workflow.config_settings.configfiles:

    configfile: "config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/criteria.smk"
include: "workflow/rules/paths.smk"


RUN = resolved["run"]
RESULTS = f"results/{RUN}"
CONFIG = f"{RESULTS}/config.json"
WORKFLOW = f"{RESULTS}/{running.FILE}"
check_clock(RESULTS)
CRITERIA = [item["name"] for item in resolved["criteria"]]


wildcard_constraints:
    criterion="[A-Za-z][A-Za-z0-9_]*",
    study="[a-z0-9_]+",
    backbone="[a-z0-9_]+",
    dataset="[a-z0-9_]+",
    architecture="[A-Za-z0-9_./]+",
    size="[0-9]+",
    colour="rgb|grey",
    branch="fewshot|retrain",
    part="[0-9]+-[0-9]+",
    seed="[0-9]+",
    samples="[0-9]+|all",


# Run where Snakemake runs, also on a cluster: they need the network, which its other machines may not have.
localrules:
    all,
    fetch,


if not any("pretrain" in entry["weights"] for entry in resolved["backbones"].values()):

    localrules:
        backbone,


rule all:
    input:
        f"{RESULTS}/report.html",
        # Named here too, since Snakemake does not miss a deleted file that only files already made depend on.
        ranked(),
        redrawn(),
        measured(),


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/cases.smk"
include: "workflow/rules/rank.smk"
include: "workflow/rules/branches.smk"
include: "workflow/rules/toy.smk"
include: "workflow/rules/report.smk"


onstart:
    write_config(CONFIG)
    running.plan(WORKFLOW, workflow.dag)
    open_server()


onsuccess:
    close_server()
    running.end(WORKFLOW, "done")
    remove_partial(RESULTS)


onerror:
    close_server()
    running.end(WORKFLOW, "failed")
    # What did complete is worth reading; it is never mistaken for a whole report.
    shell(f"secateur report partial --config {CONFIG} || true")
