# Taylor in Perl: |Σ output · gradient| of each filter, worked out by a program of its own.
# paper: Molchanov et al., Pruning convolutional neural networks for resource efficient inference, ICLR 2017
# normalisation: l2


rule taylor_perl:
    input:
        script="examples/taylor.pl",
        network="{case}/network.json",
        signals="{case}/signals.safetensors",
    output:
        "{case}/taylor_perl.csv",
    log:
        "{case}/taylor_perl.log",
    shell:
        "perl {input.script} {input.network} {input.signals} > {output} 2> {log}"
