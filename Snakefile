# Secateur: which filters can this network lose?  The workflow itself is workflow/Snakefile.
#
#   snakemake --cores all                                  the demo (config/demo.yaml)
#   snakemake --cores all --configfile config/mine.yaml    a run of your own
#   snakemake -n                                           what would run

# Only where the user names none: Snakemake would merge the two, and the demo's studies would leak into his run.
if not workflow.config_settings.configfiles:

    configfile: "config/demo.yaml"


include: "workflow/Snakefile"


workflow.default_target = "all"  # which an included rule is not by itself
