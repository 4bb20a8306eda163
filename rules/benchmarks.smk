# Benchmarks of published or own problems; those of the bundled generator are in bank.smk.

from benchmarks import Published


rule published_benchmark:
    input:
        source_files,
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/benchmark/{{benchmark}}.log",
    wildcard_constraints:
        benchmark=one_of(STUDY.sources),
    group:
        grouped("corpus")
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=at_most(60),
    params:
        **declared(
            Published,
            files=lambda wildcards: patterns(STUDY.sources[wildcards.benchmark]),
            path=source_of("path"),
            hub=lambda wildcards: source_of("hub")(wildcards) or source_origin(wildcards).hub,
            revision=source_of("revision"),
            expected=lambda wildcards: source_of("count")(wildcards)
            or source_origin(wildcards).count,
            first_day=source_of("from"),
            last_day=source_of("to"),
            platforms=source_of("platforms"),
            difficulties=source_of("difficulties"),
            bad_rows=source_of("bad_rows"),
            store=STUDY.store,
        ),
    message:
        "Benchmark {wildcards.benchmark}: its problems and tests"
    script:
        "../workflow_scripts/benchmarks.py"
