"""Data files of a study's sources: a data set of the Hugging Face hub, or files on this machine."""

from collections.abc import Sequence
from pathlib import Path

PATIENCE = 15  # seconds for the hub's first answer


class SourceError(ValueError):
    """Files that a source should have were not found; the message says how to fix that."""


class Unreached(RuntimeError):
    """The hub does not answer; the message says what can be done."""


def reach(purpose: str) -> None:
    """See in one request whether the hub answers: each of the library's own waits long for it.

    Args:
        purpose: what it is wanted for.

    Raises:
        Unreached: it does not.
    """
    from httpx2 import HTTPError
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        raise Unreached(f"HF_HUB_OFFLINE is set: unset it for {purpose}")
    try:
        status = get_session().head(constants.ENDPOINT, timeout=PATIENCE).status_code
    except (HTTPError, OSError) as error:
        raise Unreached(unreached(str(error))) from error
    if status >= 500:
        raise Unreached(unreached(f"it answers {status}"))


def unreached(why: str) -> str:
    """Return why the hub can't be reached, for people."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT} can't be reached ({why}): no network here, or no HTTPS_PROXY set?"


def find(
    patterns: Sequence[str],
    *,
    path: str | None = None,
    hub: str | None = None,
    revision: str | None = None,
) -> list[Path]:
    """Return the files of a source, pattern by pattern, each pattern's sorted by name.

    Args:
        patterns: names or globs of the files that are wanted, each of which must match.
        path: a file or a folder here; a file is taken as it is, whatever its name.
        hub: id of a data set of the hub, where there is no path. What the cache holds of it is
            used; the rest is fetched, save with HF_HUB_OFFLINE=1.
        revision: its commit, tag or branch.

    Raises:
        SourceError: a file is missing.
    """
    if path is not None:
        local = Path(path)
        if local.is_file():
            return [local]
        if not local.is_dir():
            raise SourceError(f"{path}: there is no such file or folder")
        return _matching(local, patterns, str(local), "")
    hub = str(hub)
    hint = _how_to_fetch(hub, revision, patterns)
    return _matching(
        _snapshot(hub, revision, patterns, hint), patterns, f"{hub} at {revision}", hint
    )


def missing_folder(name: str) -> bool:
    """Tell whether a model's name is that of a folder which is not there, and no name of the hub's.

    The hub's names are `owner/model`: another form, or an owner that is a folder here, means a
    folder.
    """
    path = Path(name).expanduser()
    meant = name.startswith((".", "/", "~")) or name.count("/") > 1
    return not path.is_dir() and (meant or ("/" in name and path.parent.is_dir()))


def _snapshot(hub: str, revision: str | None, patterns: Sequence[str], hint: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        folder = snapshot_download(
            hub, repo_type="dataset", revision=revision, allow_patterns=list(patterns)
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise SourceError(
            f"{hub} at {revision} is not in the cache, and the hub can't be reached{hint}"
        ) from error
    except HfHubHTTPError as error:
        raise SourceError(
            f"{hub} at {revision}: {str(error).splitlines()[0]}; check the id, the revision "
            "and your access (`hf auth login`)"
        ) from error
    return Path(folder)


def _matching(folder: Path, patterns: Sequence[str], name: str, hint: str) -> list[Path]:
    found: dict[Path, None] = {}
    missing = []
    for pattern in patterns:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        found.update(dict.fromkeys(files))
        if not files:
            missing.append(pattern)
    if missing:
        there = sorted(path.name for path in folder.iterdir())
        raise SourceError(
            f"{name} has no {', no '.join(missing)}; there are: "
            f"{', '.join(there[:12]) or 'no files'}{' …' if len(there) > 12 else ''}{hint}"
        )
    return list(found)


def _how_to_fetch(hub: str, revision: str | None, patterns: Sequence[str]) -> str:
    wanted = " ".join(f"--include '{pattern}'" for pattern in patterns)
    at = f" --revision {revision}" if revision else ""
    return (
        "; on a machine with a network, run\n"
        f"  hf download {hub} --repo-type dataset{at} {wanted}\n"
        "with the same HF_HOME, or give the source a `path` in the study file"
    )
