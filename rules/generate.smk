# Generations: every checkpoint answers every benchmark, on the same draws.
#
# With transformers one job answers one benchmark. vLLM takes minutes to start, so there one job
# answers all benchmarks of a checkpoint into its cache, and the others cut their files out of it. A
# benchmark added later makes that job run again, for what is new only, and makes no other file stale.
# Benchmarks with a `sampling` of their own have a job of their own: an engine draws in one way.
# With either engine `sampling: {jobs: 8}` lets eight jobs share what one of these would answer.

from generate import Answer, Generate


wildcard_constraints:
    way="(" + "|".join(f"-{way}" for way in WAYS if way) + ")?",
    part=PATTERN,


rule answer:
    input:
        checkpoint=checkpoint_manifest,
        benchmarks=lambda wildcards: [
            f"{ROOT}/benchmarks/{benchmark}.parquet" for benchmark in of_way(wildcards)
        ],
    output:
        f"{ROOT}/generations/{{checkpoint}}/answers{{way}}{{part}}.json",
    log:
        f"{ROOT}/logs/answer/{{checkpoint}}{{way}}{{part}}.log",
    benchmark:
        f"{ROOT}/timings/answer/{{checkpoint}}{{way}}{{part}}.tsv"
    # The longest first: a long one left for the end would leave the other GPUs idle.
    priority: lambda wildcards: request_of("answer", 1, **wildcards).runtime
    conda:
        f"../envs/{SAMPLING_ENVIRONMENT}.yaml"
    container:
        CONTAINER
    threads: asks("answer", "cpus")
    resources:
        mem_mb=asks("answer", "mem_mb"),
        runtime=asks("answer", "runtime"),
        gpu=asks("answer", "gpus"),
        nodes=asks("answer", "nodes"),
        stop_warning=180,
    params:
        **declared(
            Answer,
            sampling=sampling_of_way,
            prompts=of_wildcards(
                lambda wildcards: [STUDY.prompt(benchmark) for benchmark in of_way(wildcards)]
            ),
            store=STUDY.store,
        ),
    message:
        "Answer: {wildcards.checkpoint} answers its benchmarks (answers{wildcards.way}{wildcards.part})"
    script:
        "../workflow_scripts/generate.py"


rule generate:
    input:
        checkpoint=checkpoint_manifest,
        benchmarks=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        answered=answered,
    output:
        f"{ROOT}/generations/{{checkpoint}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/generate/{{checkpoint}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/generate/{{checkpoint}}/{{benchmark}}.tsv"
    conda:
        "../envs/models.yaml"
    container:
        CONTAINER
    threads: asks("generate", "cpus")
    resources:
        mem_mb=asks("generate", "mem_mb"),
        runtime=asks("generate", "runtime"),
        gpu=asks("generate", "gpus"),
        nodes=asks("generate", "nodes"),
        stop_warning=180,
    params:
        **declared(
            Generate,
            sampling=sampling_of,
            prompts=lambda wildcards: [STUDY.prompt(wildcards.benchmark)],
            store=STUDY.store,
        ),
    message:
        "Generate: {wildcards.checkpoint} answers {wildcards.benchmark}"
    script:
        "../workflow_scripts/generate.py"
