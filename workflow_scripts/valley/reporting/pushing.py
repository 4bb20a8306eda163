"""Exported models and data sets to the Hugging Face hub: `./valley export --hub OWNER/NAME`.

The models are one repository, and the data sets are one of the same name, with a folder for each
arm or shard and its card in it. The front page lists them. A token comes from the environment or
from `hf auth login`, by huggingface_hub itself, and is never kept.
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from valley.core.files import write_text
from valley.core.hub import Unreached, reach, unreached

KINDS = {"models": "model", "datasets": "dataset"}  # parts of an export, and what the hub calls one


class Unpushed(RuntimeError):
    """Something is not uploaded; the message says why, and what can be done."""


@dataclass(frozen=True)
class Upload:
    """A repository of the hub, and what goes there.

    Attributes:
        kind: "model" or "dataset".
        id: OWNER/NAME.
        folder: the exported folder.
        folders: folders in it that are uploaded, relative; beside them the front page.
    """

    kind: str
    id: str
    folder: Path
    folders: list[str]

    @property
    def address(self) -> str:
        """Page of the repository."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{'datasets/' if self.kind == 'dataset' else ''}{self.id}"

    def files(self) -> list[Path]:
        """Return the files to upload, sorted."""
        found = (path for folder in self.folders for path in (self.folder / folder).rglob("*"))
        return [self.folder / "README.md", *sorted(path for path in found if path.is_file())]


def uploads(repository: str, study: str, out: Path, folders: dict[str, list[str]]) -> list[Upload]:
    """Write the front page of each repository; return what is to be uploaded.

    Args:
        repository: OWNER/NAME.
        study: its name.
        out: folder of the export.
        folders: folders of models and data sets that were exported, by part.
    """
    made = []
    for part, kind in KINDS.items():
        if found := sorted(folders.get(part, [])):
            page = _models_page if kind == "model" else _data_page
            write_text(out / part / "README.md", page(repository, study, found))
            made.append(Upload(kind, repository, out / part, found))
    return made


def _models_page(repository: str, study: str, folders: list[str]) -> str:
    front = {"library_name": "transformers", "tags": ["code", "reasoning", "distillation"]}
    return _page(
        front,
        f"Checkpoints of the study `{study}`, one in each folder, with its card.",
        f'AutoModelForCausalLM.from_pretrained("{repository}", subfolder="{folders[-1]}")',
        [f"- [`{folder}`](./{folder}/README.md)" for folder in folders],
    )


def _data_page(repository: str, study: str, folders: list[str]) -> str:
    names = {folder: folder.replace("/", "-") for folder in folders}
    front = {
        "task_categories": ["text-generation"],
        "tags": ["code", "reasoning", "distillation"],
        "configs": [
            {"config_name": name, "data_files": f"{folder}/data/train.parquet"}
            for folder, name in names.items()
        ],
    }
    return _page(
        front,
        f"Data shards of the study `{study}`, one in each folder, with its card. Programs in them "
        "are a model's and should be run isolated.",
        f'load_dataset("{repository}", "{names[folders[-1]]}")',
        [f"- [`{name}`](./{folder}/README.md)" for folder, name in names.items()],
    )


def _page(front: dict, what: str, example: str, lines: list[str]) -> str:
    head = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", ""]
    return "\n".join([*head, what, "", "```python", example, "```", "", *lines]) + "\n"


def push(upload: Upload, study: str, *, public: bool = False) -> str:
    """Upload to a repository, which is made if there is none; return the address of the commit.

    Files of the repository that are not among these stay as they are.

    Args:
        upload: what goes where.
        study: its name, for the commit.
        public: everybody may read the repository.

    Raises:
        Unpushed: it did not work.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with _explained(upload):
        api.create_repo(upload.id, repo_type=upload.kind, private=not public, exist_ok=True)
        if not public and not api.repo_info(upload.id, repo_type=upload.kind).private:
            raise Unpushed(
                f"{upload.address} is there already, and everybody can read it: nothing was "
                "uploaded. Choose another name, or add --public if that is meant"
            )
        done = api.upload_folder(
            repo_id=upload.id,
            repo_type=upload.kind,
            folder_path=upload.folder,
            allow_patterns=["README.md", *(f"{folder}/*" for folder in upload.folders)],
            commit_message=f"Study {study}",
        )
    return str(done.commit_url)


def check(owner: str) -> None:
    """See whether the hub answers, knows the token and lets it write below an owner.

    Raises:
        Unpushed: it does not.
    """
    from huggingface_hub import constants, get_token, whoami
    from huggingface_hub.errors import HfHubHTTPError

    remedy = (
        f"make one that may write at {constants.ENDPOINT}/settings/tokens, then `hf auth login` or "
        "`export HF_TOKEN=…` (never in a file)"
    )
    try:
        reach("uploading")
    except Unreached as error:
        raise Unpushed(str(error)) from error
    if not get_token():
        raise Unpushed(f"the hub requires a token, and none is set: {remedy}")
    try:
        account = whoami()
    except HfHubHTTPError as error:
        raise Unpushed(f"the hub does not know this token: {remedy}") from error
    owners = [account["name"], *(group["name"] for group in account.get("orgs", []))]
    if owner not in owners:
        raise Unpushed(
            f"the token's account can't write below {owner!r}; it can below: {', '.join(owners)}"
        )


@contextlib.contextmanager
def _explained(upload: Upload) -> Iterator[None]:
    """Say in our words what goes wrong."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars

    try:
        with contextlib.nullcontext() if sys.stderr.isatty() else disable_progress_bars():
            yield
    except (HTTPError, OSError, ValueError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
        if status in (401, 403):
            why = f"the token may not write there ({first}); give it the right to"
        elif 0 < status < 500 or isinstance(error, ValueError):
            why = first
        else:
            why = unreached(first)
        raise Unpushed(f"{upload.address}: {why}") from error
