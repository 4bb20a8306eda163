# Scores: one arm on one benchmark, for people and tables.

from score import Score


rule score:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
        verdicts=rules.judge.output[0],
    output:
        f"{ROOT}/scores/{{checkpoint}}/{{benchmark}}.json",
    log:
        f"{ROOT}/logs/score/{{checkpoint}}/{{benchmark}}.log",
    group:
        grouped("verdicts")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Score, cutoff=cutoff_of),
    message:
        "Score: {wildcards.checkpoint} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/score.py"
