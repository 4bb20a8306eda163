# The yardstick of bench_dag.py: as many jobs and files as a study, and nothing else. No params, no
# logs, no input functions beside the lists of arms: what Snakemake itself costs. The jobs are scripts,
# as a study's are; which script matters not, for nothing is ever run.

ROOT = config["root"]
CURVES, CHECKPOINTS = config["curves"], config["checkpoints"]


rule all:
    input:
        f"{ROOT}/report.html",
        f"{ROOT}/corpus/summary.html",
        [f"{ROOT}/generations/{checkpoint}/bank.parquet" for checkpoint in CHECKPOINTS],
        [f"{ROOT}/verdicts/{checkpoint}/bank.parquet" for checkpoint in CHECKPOINTS],
        [f"{ROOT}/scores/{checkpoint}/bank.json" for checkpoint in CHECKPOINTS],


rule benchmark:
    output:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    script:
        "bench_dag.py"


rule problems:
    output:
        f"{ROOT}/corpus/problems.parquet",
    script:
        "bench_dag.py"


rule traces:
    input:
        f"{ROOT}/corpus/problems.parquet",
    output:
        f"{ROOT}/corpus/traces/{{teacher}}.parquet",
    script:
        "bench_dag.py"


rule labels:
    input:
        f"{ROOT}/corpus/problems.parquet",
        f"{ROOT}/corpus/traces/procedural.parquet",
    output:
        f"{ROOT}/corpus/labels.parquet",
    script:
        "bench_dag.py"


rule pool:
    input:
        f"{ROOT}/corpus/problems.parquet",
        f"{ROOT}/corpus/traces/procedural.parquet",
        f"{ROOT}/corpus/labels.parquet",
        f"{ROOT}/benchmarks/bank.parquet",
    output:
        f"{ROOT}/corpus/pool.parquet",
        f"{ROOT}/corpus/summary.json",
    script:
        "bench_dag.py"


rule pairs:
    output:
        f"{ROOT}/students/{{student}}/pairs.parquet",
        f"{ROOT}/students/{{student}}/text.parquet",
    script:
        "bench_dag.py"


rule student:
    input:
        f"{ROOT}/students/{{student}}/pairs.parquet",
        f"{ROOT}/students/{{student}}/text.parquet",
    output:
        f"{ROOT}/students/{{student}}/checkpoint.json",
    script:
        "bench_dag.py"


rule shard:
    input:
        f"{ROOT}/corpus/pool.parquet",
    output:
        f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    script:
        "bench_dag.py"


rule train:
    input:
        f"{ROOT}/students/{{student}}/checkpoint.json",
        f"{ROOT}/shards/{{slice}}/n{{size}}-s{{seed}}.parquet",
    output:
        f"{ROOT}/checkpoints/{{student}}/{{recipe}}/base/{{slice}}/n{{size}}-s{{seed}}/checkpoint.json",
    script:
        "bench_dag.py"


rule generate:
    input:
        f"{ROOT}/checkpoints/{{checkpoint}}/checkpoint.json",
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
    output:
        f"{ROOT}/generations/{{checkpoint}}/{{benchmark}}.parquet",
    script:
        "bench_dag.py"


rule judge:
    input:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        f"{ROOT}/generations/{{checkpoint}}/{{benchmark}}.parquet",
    output:
        f"{ROOT}/verdicts/{{checkpoint}}/{{benchmark}}.parquet",
    script:
        "bench_dag.py"


rule score:
    input:
        f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        f"{ROOT}/generations/{{checkpoint}}/{{benchmark}}.parquet",
        f"{ROOT}/verdicts/{{checkpoint}}/{{benchmark}}.parquet",
    output:
        f"{ROOT}/scores/{{checkpoint}}/{{benchmark}}.json",
    script:
        "bench_dag.py"


def read_by(checkpoints):
    """Return what a fit reads of some arms."""
    return [
        f"{ROOT}/{kind}/{checkpoint}/bank.parquet"
        for checkpoint in checkpoints
        for kind in ("generations", "verdicts")
    ]


rule curve:
    input:
        f"{ROOT}/benchmarks/bank.parquet",
        lambda wildcards: read_by(CURVES[wildcards.slice]),
    output:
        f"{ROOT}/curves/scaling/{{slice}}/bank.json",
    script:
        "bench_dag.py"


rule rates:
    input:
        f"{ROOT}/benchmarks/bank.parquet",
        read_by(CHECKPOINTS),
    output:
        f"{ROOT}/rates/bank.json",
    script:
        "bench_dag.py"


rule claims:
    input:
        expand(f"{ROOT}/curves/scaling/{{slice}}/bank.json", slice=CURVES),
        f"{ROOT}/rates/bank.json",
    output:
        f"{ROOT}/claims/bank.json",
    script:
        "bench_dag.py"


rule figure:
    input:
        f"{ROOT}/curves/scaling/{{slice}}/bank.json",
    output:
        multiext(f"{ROOT}/figures/{{kind}}/{{slice}}", ".svg", ".pdf", ".csv"),
    script:
        "bench_dag.py"


rule figure_of_rates:
    input:
        f"{ROOT}/rates/bank.json",
    output:
        multiext(f"{ROOT}/rates-figures/{{kind}}/bank", ".svg", ".pdf", ".csv"),
    script:
        "bench_dag.py"


rule table:
    input:
        [f"{ROOT}/scores/{checkpoint}/bank.json" for checkpoint in CHECKPOINTS],
    output:
        f"{ROOT}/tables/scores.csv",
        f"{ROOT}/tables/verdicts.csv",
    script:
        "bench_dag.py"


rule corpus_page:
    input:
        f"{ROOT}/corpus/summary.json",
    output:
        f"{ROOT}/corpus/summary.html",
    script:
        "bench_dag.py"


rule answers:
    input:
        f"{ROOT}/benchmarks/bank.parquet",
        read_by(CHECKPOINTS),
    output:
        f"{ROOT}/tables/answers/bank.json",
    script:
        "bench_dag.py"


rule report:
    input:
        f"{ROOT}/tables/answers/bank.json",
        [f"{ROOT}/checkpoints/{checkpoint}/checkpoint.json" for checkpoint in CHECKPOINTS],
        f"{ROOT}/tables/scores.csv",
        f"{ROOT}/corpus/summary.json",
        f"{ROOT}/claims/bank.json",
        expand(f"{ROOT}/figures/{{kind}}/{{slice}}.svg", kind=("scaling", "forecast"), slice=CURVES),
        expand(f"{ROOT}/rates-figures/{{kind}}/bank.svg", kind=("rates", "correlation")),
    output:
        f"{ROOT}/report.html",
        f"{ROOT}/findings.txt",
    script:
        "bench_dag.py"
