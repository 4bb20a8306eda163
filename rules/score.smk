# Scores: one arm on one benchmark, for people and tables.


rule score:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        generations=rules.generate.output[0],
        verdicts=rules.judge.output[0],
    output:
        f"{ROOT}/scores/{{place}}/{{benchmark}}.json",
    log:
        f"{ROOT}/logs/score/{{place}}/{{benchmark}}.log",
    group:
        grouped("verdicts")
    conda:
        "../envs/analysis.yaml"
    params:
        ks=setting("statistics", "ks"),
        bootstrap=setting("statistics", "bootstrap"),
        seed=setting("statistics", "seed"),
        cutoff=cutoff_of,
        code=code_digest("score", "score"),
    message:
        "Score: {wildcards.place} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/score.py"
