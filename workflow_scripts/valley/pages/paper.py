"""The report's page, put together from the files of a study."""

from pathlib import Path

from valley.analysis import words
from valley.core.files import read_json
from valley.core.study import Study
from valley.judging.verdicts import COMPILE_ERROR, JUDGE_ERROR, NO_CODE, VERDICTS
from valley.pages import answers, content, page
from valley.slicing.shown import shown as shown_slices

KNOWN_KINDS = ("scaling", "learning", "forecast", "rates", "correlation", "contrasts")
# The figure that shows what a kind of claim rests on.
SHOWN_BY = {
    "valley": "scaling",
    "more": "contrasts",
    "equal": "contrasts",
    "interaction": "contrasts",
    "follow": "correlation",
}


def page_of(
    config: dict,
    files: dict[str, list[Path]],
    *,
    state: dict | None = None,
    measured: dict | None = None,
    scratch: Path | None = None,
) -> str:
    """Return the page.

    The same files give the same page; what was measured on the way (time, devices, versions) is
    shown only where it is given.

    Args:
        config: the study's configuration, defaults filled in.
        files: lists of paths by kind: scores, verdicts, summary, slices, claims, curves, contrasts,
            rates, figures, tables, answers, checkpoints. A kind may be empty: its part says so.
        state: what is missing and what was left out, see `valley.reporting.partial`.
        measured: costs and versions, see `valley.reporting.measured`.
        scratch: folder of files that were made for this page only.
    """
    import yaml

    study = Study(config)
    curves = [read_json(path) for path in files["curves"]]
    claims = {Path(path).stem: read_json(path)["claims"] for path in files["claims"]}
    summary = read_json(files["summary"][0]) if files["summary"] else None
    scored = content.scores(files["scores"][0])
    mixes = content.verdicts(files["verdicts"][0])
    found = answers.read(files["answers"])
    trained = content.training(_manifests(study, files["checkpoints"]))
    cut = content.truncated(scored)
    shown = content.examples(found, curves, study)
    anchors = content.Anchors(found, study)
    used = sorted({str(path) for paths in files.values() for path in paths})
    return page.render(
        "report.html.j2",
        study=config,
        study_text=yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100),
        trained=len(study.arms),
        state=state,
        measured=measured,
        abstract=content.abstract(curves),
        decided=content.decided(claims),
        verdict=words.verdict,
        arms_of=content.arms_of,
        figures=content.figures(files["figures"], anchors.of_arms),
        known_kinds=KNOWN_KINDS,
        shown_by=SHOWN_BY,
        claims=claims,
        curves=curves,
        examples=page.data_block(shown) if any(item["problems"] for item in shown) else "",
        examples_note=_note(found),
        answers_of=found,
        corpus=summary,
        slices=shown_slices(study.slices, study.slices_used, files["slices"]),
        corpus_rows=content.corpus(summary) if summary else [],
        training=trained,
        verdicts=mixes,
        verdict_names=VERDICTS,
        cut=[row for row in cut if row["cut"]],
        cut_total=sum(row["cut"] for row in cut),
        answers_total=sum(row["n"] for row in cut),
        judge_errors=sum(mix[JUDGE_ERROR] for mix in mixes.values()),
        no_code=sum(mix[NO_CODE] for mix in mixes.values()),
        compile_errors=sum(mix[COMPILE_ERROR] for mix in mixes.values()),
        overlong=sum(row["overlong"] or 0 for row in trained),
        scores=[{**row, "read": anchors.of_row(row)} for row in scored],
        scores_csv=page.download(Path(files["scores"][0]).read_text(encoding="utf-8")),
        label=content.label,
        sources=content.sources(used, scratch),
    )


def _manifests(study: Study, paths: list[Path]) -> list[tuple[dict, Path]]:
    """Return each arm's setting with its checkpoint's manifest."""
    by_end = {study.checkpoint(arm).removeprefix(study.root): vars(arm) for arm in study.arms}
    return [(arm, path) for end, arm in by_end.items() for path in paths if str(path).endswith(end)]


def _note(found: list[dict]) -> str:
    """Return which answers are here, and by what rule."""
    parts = []
    for item in found:
        fair = sum(problem["why"] == "sample" for problem in item["problems"])
        parts.append(
            f"{len(item['problems'])} of {item['of']} problems of {item['benchmark']}: {fair} by a "
            f"hash of their name (a fair sample), {len(item['problems']) - fair} because the arms "
            f"differ most on them. Texts above {item['characters']:,} characters an answer lose "
            "their middle."
        )
    return " ".join(parts)
