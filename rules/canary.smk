# Canaries: a student's own score against a published one, before its arms are trained.


def published(key):
    """Return an input function that looks up a key of what is published about a student."""
    return setting("students", "{student}", "published", key)


rule canary:
    input:
        lambda wildcards: (
            f"{ROOT}/scores/{wildcards.student}/base/{published('benchmark')(wildcards)}.json"
        ),
    output:
        f"{ROOT}/students/{{student}}/canary.json",
    log:
        f"{ROOT}/logs/canary/{{student}}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        benchmark=published("benchmark"),
        published=published("pass_at_1"),
        tolerance=published("tolerance"),
        action=setting("canary"),
        code=code_digest("canary", "canary"),
    message:
        "Canary: {wildcards.student} against its published score"
    script:
        "../workflow_scripts/canary.py"
