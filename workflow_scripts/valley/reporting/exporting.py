"""A study's results in the forms that other tools read.

tables/          everything tidy, as Parquet and CSV
livecodebench/   answers and their grades, as LiveCodeBench's own evaluators have them
datasets/        each data shard as a folder that `datasets` loads, with its card
models/          each checkpoint as a folder that `transformers` loads, with its card
latex/           tables of scores and claims (booktabs, array, longtable)
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from valley.core.arms import Arm
from valley.core.declared import in_words
from valley.core.files import (
    VERDICT,
    atomic_write,
    read_csv,
    read_json,
    read_parquet,
    write_json,
    write_text,
)
from valley.core.layout import Layout
from valley.core.spending import size_of
from valley.judging.answer_files import evaluation
from valley.judging.answers import Extraction
from valley.judging.verdicts import Verdict
from valley.pages import content
from valley.reporting import latex
from valley.reporting.finished import done
from valley.reporting.partial import Gathered

PARTS = ("tables", "livecodebench", "datasets", "models", "latex")
ARM = [
    ("student", pa.string()),
    ("recipe", pa.string()),
    ("start", pa.string()),
    ("slice", pa.string()),
    ("size", pa.int64()),
    ("seed", pa.int64()),
    ("benchmark", pa.string()),
]


def export(
    layout: Layout, out: Path, scratch: Path, parts: tuple[str, ...] = PARTS
) -> tuple[list[str], dict[str, list[str]]]:
    """Write the parts asked for below a folder; return a line for each, and folders by part.

    The folders are those of models and data sets, each with a card, relative to the part's.

    Args:
        layout: the study; what is not finished is left out.
        out: folder to write to.
        scratch: folder for what has to be fitted first.
        parts: of PARTS.
    """
    said, folders = [], {}
    if {"tables", "latex"} & set(parts):
        found = Gathered(layout, scratch)
    for part in parts:
        folder = out / part
        folder.mkdir(parents=True, exist_ok=True)
        if part == "tables":
            count = tables(found, folder)
            said.append(f"tables/: {count} tables, each as Parquet and CSV")
        elif part == "livecodebench":
            count = livecodebench(layout, folder)
            said.append(f"livecodebench/: answers and grades of {count} arms on their benchmarks")
        elif part == "datasets":
            folders[part] = datasets(layout, folder)
            said.append(f"datasets/: {len(folders[part])} shards")
        elif part == "models":
            folders[part], gone = models(layout, folder)
            note = f"; {gone} have no weights here" if gone else ""
            said.append(f"models/: {len(folders[part])} checkpoints{note}")
        else:
            scored = content.scores(found.files["scores"][0])
            write_text(folder / "scores.tex", latex.scores(scored))
            write_text(folder / "claims.tex", latex.claims(_claims(found)))
            said.append("latex/: scores.tex, claims.tex")
    return said, folders


def tables(found: Gathered, out: Path) -> int:
    """Write tidy tables of scores, rates, curves, contrasts, claims and verdicts."""
    made = {
        "scores": _scores(found.files["scores"][0]),
        "curves": [row for path in found.files["curves"] for row in _points(path)],
        "families": [row for path in found.files["curves"] for row in _families(path)],
        "contrasts": [row for path in found.files["contrasts"] for row in _contrasts(path)],
        "rates": [row for path in found.files["rates"] for row in _rates(path)],
        "claims": [
            {"benchmark": benchmark, **row}
            for benchmark, judged in _claims(found).items()
            for row in _parts(judged)
        ],
    }
    for name, rows in made.items():
        write(out / name, rows)
    verdicts(found.layout, out / "verdicts")
    return len(made) + 1


def write(path: Path, rows) -> None:
    """Write a table, or rows of one shape, as `<path>.parquet` and `<path>.csv`."""
    # As objects, whole numbers stay whole beside missing ones.
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, dtype=object)
    with atomic_write(path.with_suffix(".csv")) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    with atomic_write(path.with_suffix(".parquet")) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=False)


def verdicts(layout: Layout, path: Path) -> None:
    """Write every verdict with its arm, an arm at a time: they may be many."""
    schema = pa.schema([*ARM, *VERDICT])
    with (
        atomic_write(path.with_suffix(".parquet")) as parquet,
        atomic_write(path.with_suffix(".csv")) as plain,
        pq.ParquetWriter(parquet, schema, compression="zstd", store_schema=False) as writer,
        open(plain, "w", newline="", encoding="utf-8") as file,
    ):
        pd.DataFrame(columns=schema.names).to_csv(file, index=False, lineterminator="\n")
        for arm, checkpoint, benchmark in _finished(layout):
            judged = _judged(layout, checkpoint, benchmark).assign(**vars(arm), benchmark=benchmark)
            rows = judged[schema.names]
            rows.to_csv(file, index=False, header=False, lineterminator="\n")
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def livecodebench(layout: Layout, out: Path) -> int:
    """Write each arm's answers as its `custom_evaluator` reads them, and the grades beside them.

    `<arm>/<benchmark>.json` holds question_id and code_list; `…_eval_all.json` holds graded_list,
    pass@1 and, as metadata, our verdict and its detail.
    """
    count, fields = 0, ("verdict", "failed_test", "tests_passed", "detail")
    for _arm, checkpoint, benchmark in _finished(layout):
        finding = Extraction.in_study(layout.study, benchmark)
        asked = Path(layout.root) / "benchmarks" / f"{benchmark}.parquet"
        problems = {row["id"]: row for row in read_parquet(asked, ["id", "function_name"])}
        path = layout.result("generations", checkpoint, benchmark, "parquet")
        answers = pd.read_parquet(path, columns=["problem_id", "sample", "text"])
        both = answers.merge(_judged(layout, checkpoint, benchmark), on=["problem_id", "sample"])
        programs = [
            finding.program(text, problems.get(name))
            for text, name in zip(both["text"], both["problem_id"], strict=True)
        ]
        both = both.assign(program=programs).astype(object)
        rows = both.where(both.notna(), None).to_dict("records")
        verdicts = [Verdict(**{name: row[name] for name in fields}) for row in rows]
        graded = evaluation(rows, verdicts)
        asked = [{name: row[name] for name in ("question_id", "code_list")} for row in graded]
        write_json(out / checkpoint / f"{benchmark}.json", asked)
        write_json(out / checkpoint / f"{benchmark}_eval_all.json", graded)
        count += 1
    return count


def _judged(layout: Layout, checkpoint: str, benchmark: str) -> pd.DataFrame:
    """Return an arm's verdicts, whole numbers whole also where some are missing."""
    path = layout.result("verdicts", checkpoint, benchmark, "parquet")
    return pd.read_parquet(path, columns=VERDICT.names, dtype_backend="numpy_nullable")


def datasets(layout: Layout, out: Path) -> list[str]:
    """Write each shard as a data set's folder, data/train.parquet and its card; return these."""
    written = []
    for shard, arm in sorted({arm.shard: arm for arm in layout.study.arms}.items()):
        source = Path(f"{layout.root}/shards/{shard}.parquet")
        if source.is_file():
            target = out / shard / "data" / "train.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            rows = read_parquet(source, ["difficulty", "correct", "teacher", "tokens", "source"])
            write_text(out / shard / "README.md", _data_card(layout, arm, rows))
            written.append(shard)
    return written


def models(layout: Layout, out: Path) -> tuple[list[str], int]:
    """Write each checkpoint's folder; return these, and how many have no weights.

    Weights are hard links where the file system allows, everything else is a copy.
    """
    study, written, gone = layout.study, [], 0
    arms = {study.checkpoint_name(arm): arm for arm in [*study.evaluated(), *study.arms]}
    for checkpoint, arm in sorted(arms.items()):
        manifest = Path(study.checkpoint(arm).replace(study.root, layout.root, 1))
        folder = manifest.parent / "model"
        if not any(folder.glob("*.safetensors")):
            gone += manifest.is_file()
            continue
        (out / checkpoint).mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            target = out / checkpoint / path.name
            target.unlink(missing_ok=True)
            _link(path, target) if path.suffix == ".safetensors" else shutil.copyfile(path, target)
        if not (out / checkpoint / "README.md").is_file():
            from valley.lm.card import card

            about = {"study": study.config["study"], "arm": vars(arm) if arm.size else {}}
            recipe = study.config["recipes"].get(arm.recipe, {})
            about |= {"recipe": recipe, "data": "", "start": ""}
            write_text(out / checkpoint / "README.md", card(about, read_json(manifest)))
        written.append(checkpoint)
    return written, gone


def _finished(layout: Layout):
    """Yield each finished (arm, checkpoint, benchmark)."""
    study = layout.study
    for benchmark in study.benchmarks:
        for arm in study.evaluated():
            checkpoint = study.checkpoint_name(arm)
            if done(layout, checkpoint, benchmark):
                yield arm, checkpoint, benchmark


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _scores(path: Path) -> pd.DataFrame:
    """Return the table of scores, its numbers as numbers."""
    text = read_csv(path)
    present = text.mask(text == "")
    return text.assign(
        **{name: present[name].astype("Int64") for name in ("size", "seed", "n")},
        **{name: present[name].astype(float) for name in ("estimate", "low", "high")},
    )


def _ends(value: dict, name: str = "interval") -> dict:
    low, high = value.get(name) or (None, None)
    return {"low": low, "high": high}


def _curve(path: Path) -> tuple[dict, dict]:
    curve = read_json(path)
    names = ("student", "recipe", "start", "slice")
    return curve, {"benchmark": Path(path).stem, **{name: curve[name] for name in names}}


def _points(path: Path) -> list[dict]:
    curve, named = _curve(path)
    return [
        {
            **named,
            "size": size_of(point),
            **({"x": curve["x"], "at": point["size"]} if "x" in curve else {}),
            "estimate": point["estimate"],
            **_ends(point),
            "replicates": point["replicates"],
        }
        for point in curve["points"]
    ]


def _families(path: Path) -> list[dict]:
    curve, named = _curve(path)
    keys = ("label", "parameters", "aicc", "aicc_weight", "left_out_error", "last_error", "reason")
    return [
        {**named, "family": name, **{key: family.get(key) for key in keys}}
        for name, family in curve["families"].items()
    ]


def _contrasts(path: Path) -> list[dict]:
    value = read_json(path)
    rows = [*value["settings"], *([value["pooled"]] if value["pooled"] else [])]
    out = []
    for row in rows:
        setting = row.get("setting", {})
        out.append(
            {
                "benchmark": Path(path).stem,
                **{name: value[name] for name in ("field", "a", "b")},
                "kind": "setting" if setting else "pooled",
                **{n: setting.get(n) for n in ("student", "recipe", "start", "slice", "size")},
                "estimate": row["estimate"],
                **_ends(row),
                "p": row["p"],
                "p_holm": row.get("p_holm"),
                "p_equivalence": row["p_equivalence"],
                "margin": value["margin"],
            }
        )
    return out


def _rates(path: Path) -> list[dict]:
    return [
        {
            "benchmark": Path(path).stem,
            **{name: group[name] for name in ("student", "recipe", "start", "slice")},
            "rate": rate,
            "size": item["size"],
            "estimate": item["estimate"],
            **_ends(item),
        }
        for group in read_json(path)["groups"]
        for rate, items in group["levels"].items()
        for item in items
    ]


def _claims(found: Gathered) -> dict[str, list[dict]]:
    return {Path(path).stem: read_json(path)["claims"] for path in found.files["claims"]}


def _parts(judged: list[dict]) -> list[dict]:
    rows = []
    for claim in judged:
        for part in claim["parts"] or [{**claim, "where": ""}]:
            rows.append(
                {
                    **{name: claim[name] for name in ("name", "kind", "text")},
                    "verdict": claim["status"],
                    "part": part["where"],
                    "part_verdict": part["status"],
                    "estimate": part["estimate"],
                    **_ends(part),
                    "rule": part["rule"],
                    "sentence": part["sentence"],
                }
            )
    return rows


def _data_card(layout: Layout, arm: Arm, rows: list[dict]) -> str:
    import yaml

    front = {
        "task_categories": ["text-generation"],
        "tags": ["code", "reasoning", "distillation"],
        "configs": [{"config_name": "default", "data_files": "data/train.parquet"}],
    }
    declared = layout.study.slices.get(arm.slice)
    what = in_words(declared) if declared else "difficulty.correctness"
    lines = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "", f"# {arm.shard}", ""]
    lines += [
        f"A data shard of the study `{layout.study.config['study']}`: the first {arm.size:,} "
        f"traces of the slice `{arm.slice}` ({what}) in the order of replicate "
        f"{arm.seed}. Shards are nested: a smaller one of the same slice and replicate is the "
        "beginning of this one. `correct` is what running the trace's program on all tests of its "
        "problem gave; the programs are a model's and should be run isolated.",
        "",
        f"Tokens, as its corpus counts them: {sum(row['tokens'] or 0 for row in rows):,}.",
        "",
        "| | value | traces |",
        "| --- | --- | ---: |",
    ]
    for name in ("difficulty", "correct", "teacher", "source"):
        for value, number in sorted(Counter(str(row[name]) for row in rows).items()):
            lines.append(f"| {name} | `{value}` | {number:,} |")
    return "\n".join(lines) + "\n"
