# Curves, contrasts, interactions, rates and claims: fitted on verdicts and generations, problem by problem.

from fit import Across, Claims, Contrast, Curve, Interaction, Learning, Rates


wildcard_constraints:
    a="[A-Za-z0-9_.-]+?",
    b="[A-Za-z0-9_.-]+?",
    name="[A-Za-z0-9_-]+",


rule curve:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(
            curve_points(wildcards) + lending_points(wildcards), wildcards.benchmark
        ),
        spent=curve_spending,
    output:
        f"{ROOT}/curves/{CURVE}.json",
    log:
        f"{ROOT}/logs/curve/{CURVE}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Curve,
            arms=of_wildcards(curve_arms),
            noise_arms=lambda wildcards: with_results(
                lending_points(wildcards), wildcards.benchmark
            ),
            title=curve_title,
            x=curve_unit,
        ),
    message:
        "Fit: curve of {wildcards.axis}, {wildcards.student} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule across:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(
            across_arms(wildcards) + across_lending(wildcards), wildcards.benchmark
        ),
        manifests=across_manifests,
    output:
        f"{ROOT}/across/{ACROSS}.json",
    log:
        f"{ROOT}/logs/across/{ACROSS}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Across,
            arms=across_arms,
            noise_arms=across_lending,
            title="{recipe}, {slice} from {start}, on {benchmark}",
        ),
    message:
        "Fit: students of {wildcards.axis} together on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule contrast:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(
            STUDY.points(wildcards.axis) + noise_points(), wildcards.benchmark
        ),
    output:
        f"{ROOT}/contrasts/{CONTRAST}.json",
    log:
        f"{ROOT}/logs/contrast/{CONTRAST}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Contrast,
            arms=lambda wildcards: with_results(STUDY.points(wildcards.axis), wildcards.benchmark),
            noise_arms=lambda wildcards: with_results(noise_points(), wildcards.benchmark),
            field=lambda wildcards: contrast_of(wildcards)["field"],
            a="{a}",
            b="{b}",
            title="{a} against {b} ({axis})",
        ),
    message:
        "Fit: {wildcards.a} against {wildcards.b} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule interaction:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(
            STUDY.points(wildcards.axis) + noise_points(), wildcards.benchmark
        ),
    output:
        f"{ROOT}/interactions/{INTERACTION}.json",
    log:
        f"{ROOT}/logs/interaction/{INTERACTION}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Interaction,
            arms=lambda wildcards: with_results(STUDY.points(wildcards.axis), wildcards.benchmark),
            noise_arms=lambda wildcards: with_results(noise_points(), wildcards.benchmark),
            name="{name}",
            title="{name} ({axis})",
        ),
    message:
        "Fit: interaction {wildcards.name} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule rates:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(rate_points(), wildcards.benchmark),
    output:
        f"{ROOT}/rates/{{benchmark}}.json",
    log:
        f"{ROOT}/logs/rates/{{benchmark}}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(
            Rates,
            arms=lambda wildcards: with_results(rate_points(), wildcards.benchmark),
            title="{benchmark}",
        ),
    message:
        "Fit: rates against size on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule learning:
    input:
        lambda wildcards: [arm["losses"] for arm in learning_arms(wildcards)],
    output:
        f"{ROOT}/learning/{LEARNING}.json",
    log:
        f"{ROOT}/logs/learning/{LEARNING}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Learning, arms=learning_arms, title="{student}, {slice} from {start}"),
    message:
        "Learning curves of {wildcards.axis}, {wildcards.student}"
    script:
        "../workflow_scripts/fit.py"


rule claims:
    input:
        curves=of_benchmark("curves", CURVE_NAMES),
        contrasts=compared_on,
        rates=rules.rates.output[0],
    output:
        report(
            f"{ROOT}/claims/{{benchmark}}.json",
            caption="../captions/claims.rst",
            category="Claims",
            labels={"benchmark": "{benchmark}"},
        ),
    log:
        f"{ROOT}/logs/claims/{{benchmark}}.log",
    group:
        grouped("analysis")
    conda:
        "../envs/analysis.yaml"
    params:
        **declared(Claims),
    message:
        "Claims: verdicts on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"
