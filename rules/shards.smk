# Data shards: the first N traces of a slice, in an order that only the replicate decides.

from shards import DeclaredShard, HeldOut, Shard, Slice


rule shard:
    input:
        pool=rules.pool.output.pool,
    output:
        f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    log:
        f"{ROOT}/logs/shards/{{slice}}/n{{size}}-s{{seed}}.log",
    wildcard_constraints:
        slice=UNDECLARED,
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


if STUDY.slices:

    rule slice:
        input:
            pool=rules.pool.output.pool,
            of=of_slice(lambda name: rows_of(STUDY.slices[name].get("of"))),
        output:
            out=f"{ROOT}/slices/{{slice}}.parquet",
            about=f"{ROOT}/slices/{{slice}}.json",
        log:
            f"{ROOT}/logs/slices/{{slice}}.log",
        wildcard_constraints:
            slice=one_of(CUT),
        group:
            grouped(BUNDLED or "shards")
        conda:
            "../envs/analysis.yaml"
        params:
            **declared(
                Slice,
                cut=of_slice(lambda name: cut_of(STUDY.slices[name])),
                rewriting=of_slice(lambda name: function_of(STUDY.slices[name])),
                script_code=of_slice(lambda name: SCRIPTS.get(name, "")),
            ),
        message:
            "Slice {wildcards.slice}: its rows"
        script:
            "../workflow_scripts/shards.py"

    rule declared_shard:
        input:
            parts=of_slice(lambda name: [rows_of(part) for part, _ in STUDY.parts(name)]),
        output:
            f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
        log:
            f"{ROOT}/logs/shards/{{slice}}/n{{size}}-s{{seed}}.log",
        wildcard_constraints:
            slice=one_of(STUDY.slices),
        group:
            grouped(BUNDLED or "shards")
        conda:
            "../envs/analysis.yaml"
        params:
            **declared(
                DeclaredShard,
                bases=of_slice(lambda name: [base_of(part) for part, _ in STUDY.parts(name)]),
                shares=of_slice(lambda name: [share for _, share in STUDY.parts(name)]),
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
