"""The command line: one subcommand a stage of the pipeline, each usable without Snakemake, and tools beside them."""
