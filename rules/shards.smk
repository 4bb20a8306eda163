# Data shards: the first N traces of a slice, in an order that only the replicate decides.


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
        slice="{slice}",
        size=lambda wildcards: int(wildcards.size),
        seed=lambda wildcards: int(wildcards.seed),
        examples=setting("corpus", "examples"),
        held_out=setting("validation", "share"),
        code=code_digest("shards", "shard"),
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
            share=setting("validation", "share"),
            problems=setting("validation", "problems"),
            code=code_digest("shards", "held_out"),
        message:
            "Held out: problems that no shard holds, to measure loss on"
        script:
            "../workflow_scripts/shards.py"
