# Benchmarks: problems to score on that others have published, or one's own; the bank's are in
# corpus.smk.


rule published_benchmark:
    input:
        benchmark_files,
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/benchmark/{{benchmark}}.log",
    conda:
        "../envs/analysis.yaml"
    wildcard_constraints:
        benchmark=one_of(STUDY.published),
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        files=lambda wildcards: list(patterns(benchmark_source(wildcards))),
        path=lambda wildcards: benchmark_source(wildcards)["path"],
        hub=lambda wildcards: benchmark_hub(wildcards),
        revision=lambda wildcards: benchmark_source(wildcards)["revision"],
        count=lambda wildcards: benchmark_count(wildcards),
        first_day=lambda wildcards: benchmark_source(wildcards)["from"],
        last_day=lambda wildcards: benchmark_source(wildcards)["to"],
        platforms=lambda wildcards: benchmark_source(wildcards)["platforms"],
        difficulties=lambda wildcards: benchmark_source(wildcards)["difficulties"],
        bad_rows=lambda wildcards: benchmark_source(wildcards)["bad_rows"],
        code=code_digest("benchmarks", "published"),
    message:
        "Benchmark {wildcards.benchmark}: from {params.path} {params.hub}"
    script:
        "../workflow_scripts/benchmarks.py"
