# Data shards: the first N traces of a slice, in an order that only the replicate decides.


rule shard:
    input:
        pool=rules.pool.output.pool,
    output:
        f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    log:
        f"{ROOT}/logs/shards/{{slice}}/n{{size}}-s{{seed}}.log",
    group:
        BUNDLED or "shards"
    conda:
        "../envs/analysis.yaml"
    params:
        slice="{slice}",
        size=lambda wildcards: int(wildcards.size),
        seed=lambda wildcards: int(wildcards.seed),
        examples=setting("corpus", "examples"),
        code=code_digest("shards", "shard"),
    message:
        "Shard {wildcards.slice}: {wildcards.size} traces, replicate {wildcards.seed}"
    script:
        "../workflow_scripts/shards.py"
