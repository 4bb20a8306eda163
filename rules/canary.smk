# Canaries: a student's own score against a published one, before its arms are trained.


rule canary:
    input:
        published_score,
    output:
        f"{ROOT}/students/{{student}}/canary.json",
    log:
        f"{ROOT}/logs/canary/{{student}}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        benchmark=setting("students", "{student}", "published", "benchmark"),
        published=setting("students", "{student}", "published", "pass_at_1"),
        tolerance=setting("students", "{student}", "published", "tolerance"),
        action=setting("canary"),
        code=code_digest("canary", "canary"),
    message:
        "Canary: {wildcards.student} against its published score"
    script:
        "../workflow_scripts/canary.py"
