# Canaries: a student's own score against a published one, before its arms are trained.

from canary import Canary


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
        **declared(Canary, student="{student}"),
    message:
        "Canary: {wildcards.student} against its published score"
    script:
        "../workflow_scripts/canary.py"
