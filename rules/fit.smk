# Curves, contrasts, rates and claims: fitted on verdicts and generations, problem by problem.


def with_results(points, benchmark):
    """Return an axis' points, each with the paths of its verdicts and generations."""
    return [
        {
            **point,
            "verdicts": f"{ROOT}/verdicts/{point['place']}/{benchmark}.parquet",
            "generations": f"{ROOT}/generations/{point['place']}/{benchmark}.parquet",
        }
        for point in points
    ]


def files(points, benchmark):
    """Return every file that the points' fits read, each once."""
    arms = with_results(points, benchmark)
    return sorted({arm[kind] for arm in arms for kind in ("verdicts", "generations")})


def curve_points(wildcards):
    """Return the points of one curve: an axis' arms that differ in size and replicate only."""
    wanted = [wildcards[name] for name in ("student", "recipe", "start", "slice")]
    return [
        point
        for point in STUDY.points(wildcards.axis)
        if [point[name] for name in ("student", "recipe", "start", "slice")] == wanted
    ]


def noise_points(_wildcards=None):
    """Return the points whose replicates tell how much training noise there is."""
    return [
        point
        for axis, settings in STUDY.config["axes"].items()
        if settings["curve"] and len(settings["seeds"]) > 1
        for point in STUDY.points(axis)
    ]


def rate_points(_wildcards=None):
    """Return the points of every axis that has a curve."""
    return [
        point
        for axis, settings in STUDY.config["axes"].items()
        if settings["curve"]
        for point in STUDY.points(axis)
    ]


def contrast_of(wildcards):
    """Return the declared contrast that a rule's wildcards name."""
    return next(
        contrast
        for contrast in STUDY.config["axes"][wildcards.axis]["contrasts"]
        if (contrast["a"], contrast["b"]) == (wildcards.a, wildcards.b)
    )


CURVE = "{axis}/{student}/{recipe}/{start}/{slice}/{benchmark}"
CONTRAST = "{axis}/{a}-vs-{b}/{benchmark}"
CURVE_NAMES = sorted(
    {
        CURVE.format(axis=axis, benchmark=benchmark, **point)
        for axis, settings in STUDY.config["axes"].items()
        if settings["curve"]
        for point in STUDY.points(axis)
        for benchmark in STUDY.benchmarks
    }
)
CONTRAST_NAMES = [
    CONTRAST.format(axis=axis, benchmark=benchmark, **contrast)
    for axis, settings in STUDY.config["axes"].items()
    for contrast in settings["contrasts"]
    for benchmark in STUDY.benchmarks
]
CURVES = [f"{ROOT}/curves/{name}.json" for name in CURVE_NAMES]


def of_benchmark(kind, names):
    """Return an input function: one kind of fit, on the rule's benchmark."""
    return lambda wildcards: [
        f"{ROOT}/{kind}/{name}.json"
        for name in names
        if name.rsplit("/", 1)[1] == wildcards.benchmark
    ]


wildcard_constraints:
    a="[A-Za-z0-9_.-]+?",
    b="[A-Za-z0-9_.-]+?",


rule curve:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(curve_points(wildcards), wildcards.benchmark),
    output:
        f"{ROOT}/curves/{CURVE}.json",
    params:
        arms=lambda wildcards: with_results(curve_points(wildcards), wildcards.benchmark),
        title="{student} on {benchmark}",
        margin=setting("statistics", "margin"),
        bootstrap=setting("statistics", "bootstrap"),
        seed=setting("statistics", "seed"),
        code=code_digest("fit", "curve"),
    log:
        f"{ROOT}/logs/curve/{CURVE}.log",
    message:
        "Fit: curve of {wildcards.axis}, {wildcards.student} on {wildcards.benchmark}"
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
    params:
        arms=lambda wildcards: with_results(STUDY.points(wildcards.axis), wildcards.benchmark),
        noise_arms=lambda wildcards: with_results(noise_points(), wildcards.benchmark),
        field=lambda wildcards: contrast_of(wildcards)["field"],
        a="{a}",
        b="{b}",
        title="{a} against {b} ({axis})",
        margin=setting("statistics", "margin"),
        bootstrap=setting("statistics", "bootstrap"),
        seed=setting("statistics", "seed"),
        code=code_digest("fit", "contrast"),
    log:
        f"{ROOT}/logs/contrast/{CONTRAST}.log",
    message:
        "Fit: {wildcards.a} against {wildcards.b} on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule rates:
    input:
        problems=f"{ROOT}/benchmarks/{{benchmark}}.parquet",
        results=lambda wildcards: files(rate_points(), wildcards.benchmark),
    output:
        f"{ROOT}/rates/{{benchmark}}.json",
    params:
        arms=lambda wildcards: with_results(rate_points(), wildcards.benchmark),
        title="{benchmark}",
        bootstrap=setting("statistics", "bootstrap"),
        seed=setting("statistics", "seed"),
        code=code_digest("fit", "rates"),
    log:
        f"{ROOT}/logs/rates/{{benchmark}}.log",
    message:
        "Fit: rates against size on {wildcards.benchmark}"
    script:
        "../workflow_scripts/fit.py"


rule claims:
    input:
        curves=of_benchmark("curves", CURVE_NAMES),
        contrasts=of_benchmark("contrasts", CONTRAST_NAMES),
        rates=rules.rates.output[0],
    output:
        f"{ROOT}/claims/{{benchmark}}.json",
    params:
        claims=setting("claims"),
        code=code_digest("fit", "claims"),
    log:
        f"{ROOT}/logs/claims/{{benchmark}}.log",
    message:
        "Claims: what {wildcards.benchmark} says"
    script:
        "../workflow_scripts/fit.py"
