"""What the report shows, gathered from the study's files into plain values for the template."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from valley.analysis import words
from valley.core.arms import BASE, FIELDS, GROUP, Arm
from valley.core.files import file_digest, read_csv, read_json
from valley.core.spending import size_of
from valley.core.study import Study
from valley.pages import drawing, page

CAPTIONS = {
    "scaling": "pass@1 against the number of traces, or what the lower axis names in its place. "
    "Points: means over replicates with 95 % intervals; dashes: single replicates; grey band: the "
    "start's interval; curves: the two best-weighted families; rails above: where the bottom and "
    "the return to the start may lie.",
    "learning": "Loss on problems held out from every shard (mean over response tokens): while "
    "arms train, one line each, and after their last update; grey: the start's.",
    "forecast": "What a larger size is expected to reach: bands hold 50, 80 and 90 % of the "
    "mixture of families; the diamond is one new run on the same problems.",
    "rates": "Completion (finished within the token limit), think-tag (begins with <think>) and "
    "well-formed rate, with pass@1, against size.",
    "correlation": "Rank correlation of each rate with size and with pass@1.",
    "contrasts": "Paired differences in pass@1, at every setting that has both sides and pooled; "
    "grey: too small to matter.",
    "across": "pass@1 of all students, over training compute (a line each) or over parameters (a "
    "line a size), with 95 % intervals; the table holds the joint fit over parameters and data.",
    "losses": "Training loss of each arm along its training; means over neighbouring updates.",
    "curves": "pass@1 against the number of traces in both studies, on the problems that both "
    "asked; 95 % intervals.",
    "differences": "Paired differences between the two studies, the first minus the second, at "
    "every arm that is finished in both, and pooled; grey: too small to matter.",
}
ORDER = ("scaling", "learning", "rates", "correlation", "contrasts", "forecast")


def label(arm: dict, several: bool = False) -> str:
    """Return an arm in a few words.

    Args:
        arm: its setting.
        several: the study has several students, so they must be named.
    """
    who = f"{arm['student']} · " if several else ""
    if not int(arm["size"]):
        return f"{who}start (undistilled)"
    start = "" if arm["start"] == BASE else f" · from {arm['start']}"
    what = "" if arm["slice"] == "all.any" else f" · {arm['slice']}"
    return f"{who}N = {int(arm['size']):,}{what}{start} · {arm['recipe']} · replicate {arm['seed']}"


def arms_of(axis: dict) -> int:
    """Return how many arms an axis declares, as one student sees it."""
    return math.prod(len(axis[name]) for name in ("recipes", "starts", "slices", "sizes", "seeds"))


def scores(path: Path) -> list[dict]:
    """Return one row per arm and benchmark with its quantities side by side."""
    table, names = read_csv(path), [*FIELDS, "benchmark"]
    return [
        {
            **dict(zip(names, setting, strict=True)),
            **{row["quantity"]: _numbers(row) for row in rows.to_dict("records")},
        }
        for setting, rows in table[table["problems"] == "all"].groupby(names, sort=False)
    ]


def _numbers(row: dict) -> dict:
    ends = {name: float(row[name]) if row[name] else None for name in ("estimate", "low", "high")}
    return {**ends, "n": int(row["n"] or 0)}


def figures(
    paths: list[Path], anchor_of: Callable[[str, str], str | None] | None = None
) -> dict[str, list[dict]]:
    """Return figures by kind (the folder below figures/), in the page's form and order.

    Args:
        paths: the drawn files.
        anchor_of: from a benchmark and arms to where their answers are in the page.
    """
    from markupsafe import Markup

    kinds: dict[str, list[dict]] = {}
    placed = sorted(((_kind_and_name(path), path) for path in map(Path, paths)), key=_on_the_page)
    for number, ((kind, name), path) in enumerate(placed, 1):
        table = path.with_suffix(".csv")
        cells = read_csv(table)
        caption = CAPTIONS.get(kind, kind.replace("_", " ").capitalize() + ".")
        said = f"{caption.partition('. ')[0].rstrip('.')}: {name}"
        led = partial(anchor_of, Path(name).name) if anchor_of else None
        svg = drawing.inline(path.read_text(encoding="utf-8"), f"f{number}-", said, led)
        kinds.setdefault(kind, []).append(
            {
                "name": name,
                "number": number,
                "file": f"{kind}-{name.replace('/', '-')}.csv",
                "svg": Markup(svg),
                "caption": caption,
                "csv": page.download(table.read_text(encoding="utf-8")),
                "rows": [list(cells), *cells.to_numpy().tolist()],
            }
        )
    return kinds


def _kind_and_name(path: Path) -> tuple[str, str]:
    parts = path.with_suffix("").parts
    kind, *name = parts[len(parts) - parts[::-1].index("figures") :]
    return kind, "/".join(name)


def _on_the_page(item: tuple) -> tuple:
    (kind, name), _ = item
    return ORDER.index(kind) if kind in ORDER else len(ORDER), kind, name


def verdicts(path: Path) -> dict[str, Counter]:
    """Return how often each verdict fell, by benchmark."""
    table = read_csv(path).astype({"answers": int})
    return {
        benchmark: Counter(rows.groupby("verdict", sort=False)["answers"].sum().to_dict())
        for benchmark, rows in table.groupby("benchmark", sort=False)
    }


def abstract(curves: list[dict]) -> list[str]:
    """Return what the first curves show, in a sentence each."""
    said = []
    for curve in curves[:4]:
        points, unit = curve["points"], curve.get("x", "traces")
        lowest = min(points, key=lambda point: point["estimate"])
        fall = (
            "scores lower at no size"
            if lowest["size"] == 0
            else f"is lowest at {lowest['estimate']:.3f} ({lowest['size']:,} {unit})"
        )
        last = points[-1]
        begun = (
            f"starts at a pass@1 of {points[0]['estimate']:.3f}"
            if points[0]["size"] == 0
            else f"has a pass@1 of {points[0]['estimate']:.3f} at {points[0]['size']:,} {unit}"
        )
        said.append(
            f"{curve['title']}: the student {begun}, {fall}, and stands at "
            f"{last['estimate']:.3f} with {last['size']:,} {unit}."
        )
    return said


def decided(claims: dict[str, list[dict]]) -> list[dict]:
    """Return the claims that were tested, in a line each: `name`, `status`, `verdict`, `text`.

    Args:
        claims: by benchmark; it is named where there are several.
    """
    return [
        {
            "name": claim["name"],
            "status": claim["status"],
            "verdict": words.verdict(claim),
            "text": claim["text"] + (f", on {benchmark}" if len(claims) > 1 else ""),
        }
        for benchmark, judged in claims.items()
        for claim in judged
        if claim["status"] != words.NOT_TESTED
    ]


def training(manifests: list[tuple[dict, Path]]) -> list[dict]:
    """Return each arm's training as its checkpoint records it."""
    rows = []
    for arm, path in manifests:
        about = read_json(path)
        overlong = about.get("overlong") or {}
        rows.append(
            {
                "label": label(arm),
                **{name: about.get(name) for name in ("examples", "updates", "tokens")},
                "final_loss": about.get("final_loss"),
                "overlong": overlong.get("count"),
                "policy": overlong.get("policy"),
            }
        )
    return rows


def truncated(scored: list[dict]) -> list[dict]:
    """Return the arms by how many of their answers were cut at the token limit, most first."""
    rows = []
    for arm in scored:
        done = arm["completion"]
        if done["estimate"] is not None:
            cut = round((1 - done["estimate"]) * done["n"])
            rows.append({"label": label(arm), "benchmark": arm["benchmark"], "cut": cut, **done})
    return sorted(rows, key=lambda row: -row["cut"])


def examples(found: list[dict], curves: list[dict], study: Study) -> list[dict]:
    """Return the example answers as the page's script needs them: with labels and first arms.

    The first arms shown side by side are the start, the curve's bottom and its largest size.
    """
    several = len(study.students) > 1
    out = []
    for item in found:
        first: list[int] = []
        for curve in curves[:1]:
            low = min(curve["points"], key=lambda point: point["estimate"])
            for size in (0, size_of(low), size_of(curve["points"][-1])):
                wanted = {**{n: curve[n] for n in GROUP}, "size": size}
                for at, arm in enumerate(item["arms"]):
                    same = arm["student"] == curve["student"] and arm["size"] == size
                    if same and (not size or all(arm[n] == v for n, v in wanted.items())):
                        first += [] if at in first else [at]
                        break
        arms = [{"label": label(arm, several)} for arm in item["arms"]]
        rest = [at for at in range(len(item["arms"])) if at not in first]
        defaults = [*first, *rest][:3]
        out.append({**item, "arms": arms, "defaults": defaults})
    return out


class Anchors:
    """Where the page shows each arm's answers."""

    def __init__(self, found: list[dict], study: Study):
        self.study = study
        self.seeds = sorted({arm.seed for arm in study.arms} | {0})
        self.at = {
            (item["benchmark"], arm["place"]): f"#answers/{number}/{at}"
            for number, item in enumerate(found)
            for at, arm in enumerate(item["arms"])
        }

    def of_row(self, row: dict) -> str | None:
        """Return the anchor of a row of the table of scores."""
        arm = Arm(*(row[name] for name in GROUP), int(row["size"]), int(row["seed"]))
        return self._find(row["benchmark"], arm)

    def of_arms(self, benchmark: str, arms: str) -> str | None:
        """Return the anchor of arms by their paths without a replicate, the first of each."""
        found = [self._first(benchmark, *path.rsplit("/n", 1)) for path in arms.split()]
        if not found or None in found:
            return None
        first, *others = found
        return "+".join([first, *(anchor.rpartition("/")[2] for anchor in others)])

    def _first(self, benchmark: str, setting: str, size: str) -> str | None:
        arms = (Arm(*setting.split("/"), int(size), seed) for seed in self.seeds)
        return next(filter(None, (self._find(benchmark, arm) for arm in arms)), None)

    def _find(self, benchmark: str, arm: Arm) -> str | None:
        return self.at.get((benchmark, self.study.checkpoint_name(self.study.resolve(arm))))


def corpus(summary: dict) -> list[tuple[str, int]]:
    """Return the corpus from all traces to the pool, step by step."""
    left, rows = summary["traces"], [("traces written or loaded", summary["traces"])]
    for step, number in summary["dropped"].items():
        left -= number
        rows.append((f"dropped: {step.replace('_', ' ')}", -number))
    rows.append(("kept in the pool", summary["kept"]))
    known = {"traces", "kept", "problems", "tokens"}
    for name, value in summary.items():
        if isinstance(value, int) and not isinstance(value, bool) and name not in known:
            rows.append((name.replace("_", " "), value))
    return rows


def sources(paths: list[str], scratch: Path | None = None) -> list[tuple[str, str]]:
    """Return the files that a page was made from, each with the digest of its content.

    Args:
        paths: the files.
        scratch: folder of those that were made for this page only; its path says nothing.
    """
    out = []
    for path in paths:
        name = path if scratch is None else path.replace(f"{scratch}/", "(made for this page) ")
        out.append((name, file_digest(path)[:16]))
    return sorted(out)
