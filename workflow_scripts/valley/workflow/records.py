"""What Snakemake knows of finished jobs, read from the sidecars beside their results.

Snakemake decides what runs by records in its own folder. A clone or a copy of a study lacks that
folder, the records hold checksums of small files only, and params in them are a bare set of values:
two that swap are the same to it. So this backend answers from the sidecars, which lie beside the
results and go where they go; a file without one has Snakemake's own record, as ever.
"""

import functools
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from snakemake.logging import logger
from snakemake.persistence import (
    NO_PARAMS_CHANGE,
    RECORD_FORMAT_VERSION,
    MetadataRecord,
    ParamsChange,
)
from snakemake.persistence.file import FilePersistence

from valley.core import disk
from valley.core.files import file_digest
from valley.core.recipes import as_recorded_now
from valley.core.sidecars import SUFFIX, DamagedSidecar, read_sidecar, sidecar
from valley.core.versions import as_then
from valley.workflow.job import decisive, determining, is_code

SHOWN = 60  # longest value that a reason spells out


class SidecarPersistence(FilePersistence):
    """Snakemake's backend of files, with what sidecars say put first."""

    def __init__(self, *args, **kwargs):
        self._known: dict[str, dict | None] = {}
        self._records: dict[str, MetadataRecord | None] = {}
        self._damaged: set[str] = set()
        super().__init__(*args, **kwargs)
        if self.dag is not None:
            # Sidecars hold digests of inputs of any size: an input that is newer, but the same,
            # ages nothing.
            self.dag.max_checksum_file_size = sys.maxsize

    def about(self, path: str) -> dict | None:
        """Return the sidecar that vouches for a file: its own, or the one of the same job."""
        path = str(path)
        if path not in self._known:
            found = self._read(sidecar(path))
            if path not in found["outputs"]:
                # Another output of its job may have given the sidecar its name. There may be
                # thousands beside it: they are looked through only if the file is there.
                near = sorted(Path(path).parent.glob(f"*{SUFFIX}")) if os.path.exists(path) else []
                found = next((a for a in map(self._read, near) if path in a["outputs"]), None)
            self._known[path] = found
        return self._known[path]

    def _read(self, path: Path) -> dict:
        """Return a sidecar, with its own path; one without outputs where there is none."""
        try:
            about = read_sidecar(path)
        except DamagedSidecar as error:
            if str(error) not in self._damaged:  # other outputs may look for theirs in it, too
                self._damaged.add(str(error))
                logger.warning(f"{error}. Without it, only Snakemake's own record tells its age.")
            about = None
        return {**about, "sidecar": path} if about else {"outputs": {}}

    def params_changed(self, job, file=None) -> ParamsChange:
        """Return the params that differ, by name."""
        about = self.about(file or job.output[0]) if job.output else None
        if about is None:
            return super().params_changed(job, file)
        changed = differences(about, determining(job.params))
        if not changed:
            return NO_PARAMS_CHANGE
        return ParamsChange(
            only_old={_shown(name, then) for name, (then, _) in changed.items()},
            only_new={_shown(name, now) for name, (_, now) in changed.items()},
            files=set(job.output),
        )

    async def incomplete(self, job) -> list:
        """Return outputs that are not what their job made: to be made again."""
        found = await super().incomplete(job)
        altered = [file for file in job.output if file not in found and self._altered(str(file))]
        for file in altered:
            logger.warning(
                f"{file} differs from what its job wrote: it was changed or damaged. It will be "
                f"made again; to keep it as it is, delete {self.about(file)['sidecar']}."
            )
        return [*found, *altered]

    def whole(self, job) -> list[str]:
        """Return the outputs of a job that did finish: its sidecar says that all is as it is now.

        Of a group that failed, jobs may have finished; what they made is not to be lost.
        """
        kept = []
        for path in map(str, job.output):
            self._known.pop(path, None)  # it may have been written since
            about = self.about(path)
            with suppress(OSError):  # the file, or an input, is not there
                if (
                    about
                    and file_digest(path) == about["outputs"][path]
                    and not differences(about, determining(job.params))
                    and about["inputs"] == {p: file_digest(p) for p in decisive(job.input)}
                ):
                    kept.append(path)
        return kept

    def _altered(self, path: str) -> bool:
        """Tell whether a file's bytes differ from those that its job wrote."""
        about = self.about(path)
        if about is None or not os.path.isfile(path):
            return False
        beside = about["sidecar"]
        if os.stat(path).st_mtime_ns <= os.stat(beside).st_mtime_ns:
            return False  # sidecars are written last
        if file_digest(path) != about["outputs"][path]:
            return True
        with suppress(OSError):
            beside.touch()  # looked at once is enough
        return False

    def _io_write(self, subject, *args, **kwargs) -> None:
        with disk.explained(subject):
            super()._io_write(subject, *args, **kwargs)

    def _input(self, job) -> list[str]:
        """Return the inputs that count: what a job only waits for is free to come and go."""
        return sorted(set(super()._input(job)) & set(decisive(job.input)))

    def _read_record(self, key: str) -> MetadataRecord | None:
        if key not in self._records:  # asked for by each trigger
            self._records[key] = self._record_of(key)
        return self._records[key]

    def _record_of(self, key: str) -> MetadataRecord | None:
        own, about = super()._read_record(key), self.about(key)
        if about is None:
            return own
        record = own.model_copy() if own else MetadataRecord()
        record.record_format_version = RECORD_FORMAT_VERSION
        record.rule = about["rule"]
        record.input = sorted(about["inputs"])
        record.input_checksums = {n: f"sha256:{digest}" for n, digest in about["inputs"].items()}
        return record

    def _clear_cache(self) -> None:
        self._known.clear()
        self._records.clear()
        super()._clear_cache()


def sparing(cleanup):
    """Return a job's `cleanup` that leaves alone what the job has finished.

    Snakemake removes all that jobs of a failed group have made, also what was finished before.
    """

    @functools.wraps(cleanup)
    async def spare(self, skip_outputs=()):
        whole = self.dag.workflow.persistence.whole(self)
        await cleanup(self, [*skip_outputs, *whole])

    return spare


def unfinished(get_target_spec):
    """Return a group's `get_target_spec` that names what is left when the group is tried again."""

    @functools.wraps(get_target_spec)
    def specs(self):
        if self.attempt == 1:
            return get_target_spec(self)
        records = self.dag.workflow.persistence
        left = [job for job in self.jobs if len(records.whole(job)) < len(job.output)]
        return [spec for job in left or self.jobs for spec in job.get_target_spec()]

    return specs


def differences(about: dict, now: dict) -> dict[str, tuple[object, object]]:
    """Return the params that differ, each with its value then and now; `...` is none at all.

    Args:
        about: content of a result's sidecar.
        now: the params that the result would be made with now.
    """
    now = json.loads(json.dumps(now))
    then = as_recorded_now(about["params"], now)
    made_with = about.get("measured", {}).get("versions", {})
    for name in filter(is_code, then.keys() & now.keys()):
        then[name] = as_then(now[name], then[name], made_with)
    return {
        name: (then.get(name, ...), now.get(name, ...))
        for name in sorted(then.keys() | now.keys())
        if then.get(name, ...) != now.get(name, ...)
    }


def _shown(name: str, value: object) -> str:
    text = "(none)" if value is ... else repr(value)
    return f"{name}={text}" if len(text) <= SHOWN else f"{name}=({len(text)} characters)"
