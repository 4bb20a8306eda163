"""`./valley adopt`: import checkpoints and answers that were made elsewhere.

They are checked, copied to where a rule would write them, and recorded with their origin. No rule
makes them: like frozen arms, they stay as they are until their file is deleted.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from valley.adopting import checkpoints, generations
from valley.core.arms import Arm
from valley.core.config import nearest
from valley.core.files import GENERATION, file_digest, read_parquet, write_json, write_parquet
from valley.core.pinned import adopted, note_adopted
from valley.core.sidecars import sidecar
from valley.core.study import Study


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "adopt",
        help="import a checkpoint or answers made elsewhere",
        description=__doc__.partition(": ")[2],
        epilog="Exit status: 0 adopted, 2 refused: nothing was changed.",
    )
    parser.add_argument("arm", help="such as tiny/distil/base/all.any/n32-s0; the start: tiny/base")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="a Hugging Face folder")
    what.add_argument(
        "--answers", type=Path, metavar="FILE", help="Parquet or JSONL; LiveCodeBench's form too"
    )
    parser.add_argument("--benchmark", help="which benchmark is answered [the study's only one]")
    parser.add_argument(
        "--finish-reason",
        choices=generations.ENDS,
        help="for answers whose file has no finish_reason",
    )
    parser.add_argument("--replace", action="store_true", help="replace an existing result")
    parser.add_argument("--study", default="config.yaml", help="study file [config.yaml]")
    parser.add_argument("-n", "--dry-run", action="store_true", help="check only")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Adopt what was asked for; return the exit status."""
    try:
        study = Study.read(options.study)
        arm = named(study, options.arm)
        if options.checkpoint:
            message = adopt_checkpoint(study, arm, options.checkpoint, options)
        else:
            message = adopt_answers(study, arm, options.answers, options)
    except (OSError, ValueError) as error:
        print(f"refused, nothing was changed: {error}", file=sys.stderr)
        return 2
    print(message)
    return 0


def named(study: Study, checkpoint: str) -> Arm:
    """Return the arm (or undistilled student) that a path names.

    Raises:
        ValueError: the study has no such arm.
    """
    known = {study.checkpoint_name(arm): arm for arm in {*study.arms, *study.evaluated()}}
    if checkpoint not in known:
        raise ValueError(f"the study has no arm {checkpoint!r}{nearest(checkpoint, sorted(known))}")
    return known[checkpoint]


def adopt_checkpoint(study: Study, arm: Arm, folder: Path, options) -> str:
    """Adopt a model as an arm's checkpoint; return the message.

    Raises:
        ValueError: it is no whole model, or the arm has a checkpoint.
    """
    faults = checkpoints.faults(folder)
    if faults:
        raise ValueError("; ".join(faults))
    target = Path(study.checkpoint(arm))
    rule = "train" if arm.size else "student"
    return _adopt(study, target, rule, folder, options, lambda: checkpoints.adopt(folder, target))


def adopt_answers(study: Study, arm: Arm, file: Path, options) -> str:
    """Adopt answers as an arm's generations on a benchmark; return the message.

    Raises:
        ValueError: answers are missing or broken, or the arm has some.
    """
    name = options.benchmark or study.benchmarks[0]
    if name not in study.benchmarks or (not options.benchmark and len(study.benchmarks) > 1):
        raise ValueError(f"give --benchmark, one of {', '.join(study.benchmarks)}")
    problems = Path(f"{study.root}/benchmarks/{name}.parquet")
    if not problems.is_file():
        raise ValueError(f"{problems} is needed to check the answers; `snakemake {problems}` first")
    target = Path(f"{study.root}/generations/{study.checkpoint_name(arm)}/{name}.parquet")
    wanted = [row["id"] for row in read_parquet(problems, columns=["id"])]
    rows, left_out = generations.fitted(
        generations.read(file, options.finish_reason), wanted, study.sampling(name)["samples"]
    )
    message = _adopt(
        study, target, "generate", file, options, lambda: write_parquet(target, rows, GENERATION)
    )
    return message + (
        f"; {left_out} answers that the study does not need were left out" if left_out else ""
    )


def _adopt(
    study: Study, target: Path, rule: str, source: Path, options, make: Callable[[], object]
) -> str:
    if target.exists() and not options.replace:
        of_old = "adopted" if str(target) in adopted(study) else "made here"
        raise ValueError(f"{target} is there, {of_old}; --replace replaces it")
    if options.dry_run:
        return f"{source} can be adopted as {target}"
    make()
    note = {"from": str(source.resolve()), "on": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    write_json(
        sidecar(target),
        {
            "rule": rule,
            "params": {},
            "inputs": {},
            "outputs": {str(target): file_digest(target)},
            "restored": True,
            "adopted": note,
            "measured": {"finished": note["on"], "versions": {}},
        },
    )
    note_adopted(study, str(target), note)
    return f"adopted {source} as {target}"
