"""The smoke study's jobs by rule, as plans count them after an edit."""

# The smoke study: eight trained arms (two sizes and two replicates; two slices from two starts) and
# the undistilled student, answering one benchmark.
ARMS, CHECKPOINTS, SHARDS = 8, 9, 6
REPORT = {"report": 1}
TABLE = {"table": 1, **REPORT}
CLAIMS = {"claims": 1, **REPORT}
CURVES = {"curve": 1, "figure": 2, **CLAIMS}  # scaling and forecast
RATES = {"rates": 1, "figure": 2, **CLAIMS}  # rates and correlation
CONTRASTS = {"contrast": 1, "forest": 1, **CLAIMS}
STATISTICS = {**CURVES, **RATES, **CONTRASTS, **TABLE, "figure": 4}
READ = {"answers": 1, **TABLE}  # answers to read, and their scores
FITS = {**STATISTICS, **READ}


def scored(checkpoints: int, fits: dict = FITS) -> dict:
    """Return the jobs from verdicts on."""
    return {"judge": checkpoints, "score": checkpoints, **fits}


def answered(checkpoints: int, fits: dict = FITS) -> dict:
    """Return the jobs from answers on."""
    return {"generate": checkpoints, **scored(checkpoints, fits)}


def trained(arms: int, fits: dict = FITS, checkpoints: int | None = None) -> dict:
    """Return the jobs from trainings on."""
    return {"train": arms, **answered(checkpoints or arms, fits)}


def new(shards: int, arms: int, fits: dict = FITS) -> dict:
    """Return the jobs of new arms, shards included."""
    return {"shard": shards, **trained(arms, fits)}


FROM_POOL = {"pool": 1, "corpus_page": 1, **new(SHARDS, ARMS)}
FROM_LABELS = {"labels": 1, **FROM_POOL}
EVERYTHING = {
    **{"benchmark": 1, "problems": 1, "traces": 1, "pairs": 1, "student": 1},
    **FROM_LABELS,
    **answered(CHECKPOINTS),
}
