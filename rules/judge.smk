# Verdicts: every program runs isolated, on all tests of its problem.


rule judge:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
    output:
        f"{ROOT}/verdicts/{{place}}/{{benchmark}}.parquet",
    log:
        f"{ROOT}/logs/judge/{{place}}/{{benchmark}}.log",
    benchmark:
        f"{ROOT}/timings/judge/{{place}}/{{benchmark}}.tsv"
    group:
        grouped("verdicts")
    conda:
        "../envs/analysis.yaml"
    threads: asks("judge", "cpus")
    resources:
        mem_mb=asks("judge", "mem_mb"),
        runtime=asks("judge", "runtime"),
    params:
        isolation=setting("judge", "isolation"),
        untrusted=setting("judge", "untrusted"),
        store=STUDY.store,
        code=code_digest("judge", "judge_generations"),
    message:
        "Judge: programs of {wildcards.place} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/judge.py"
