# Data shards: the first N traces of a slice, in an order that only the replicate decides.

from shards import HeldOut, Shard


rule shard:
    input:
        pool=rules.pool.output.pool,
    output:
        f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    log:
        f"{ROOT}/logs/shards/{{slice}}/n{{size}}-s{{seed}}.log",
    group:
        grouped(BUNDLED or "shards")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Shard,
            slice="{slice}",
            size=lambda wildcards: int(wildcards.size),
            seed=lambda wildcards: int(wildcards.seed),
        ),
    message:
        "Shard {wildcards.slice}: {wildcards.size} traces, replicate {wildcards.seed}"
    script:
        "../workflow_scripts/shards.py"


if HELD_OUT:

    rule held_out:
        input:
            pool=rules.pool.output.pool,
        output:
            HELD_OUT,
        log:
            f"{ROOT}/logs/held_out.log",
        conda:
            "../envs/analysis.yaml"
        params:
            **declared(HeldOut),
        message:
            "Held out: problems that no shard holds, to measure loss on"
        script:
            "../workflow_scripts/shards.py"
