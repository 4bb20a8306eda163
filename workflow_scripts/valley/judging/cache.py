"""Verdicts that are known already, in one folder shared by arms, studies and machines.

The folder holds segments: files that are written whole, renamed into place and never changed. Each
writer writes its own; nothing is locked and nothing waits. A writer that is killed loses what it
had gathered in the last seconds and leaves no half-written segment. Now and then one process merges
many small segments into one: since it removes only what the new, complete segment holds, it does
not matter who else reads, writes or merges at the time.
"""

import json
import mmap
import os
import struct
import time
import uuid
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from valley.core.files import atomic_write

_HEAD = struct.Struct("<8sQQI")  # magic, number of entries, bytes of all that follows, its CRC
_ENTRY = struct.Struct("<32sQI")  # key, offset and length of its text in the payload
_MAGIC = b"verdict1"
_SUFFIX = ".verdicts"
FLUSH_ENTRIES = 500
FLUSH_SECONDS = 2.0
MANY_SEGMENTS = 64
_STALE_SECONDS = 24 * 3600


class _Segment:
    """One file, read in place; looking a key up touches a few pages of it."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, self.count, size, check = _HEAD.unpack_from(self._data)
        if magic != _MAGIC or len(self._data) != _HEAD.size + size:
            raise ValueError("not a whole segment")
        if zlib.crc32(memoryview(self._data)[_HEAD.size :]) != check:
            raise ValueError("its checksum is wrong")
        self._payload = _HEAD.size + self.count * _ENTRY.size

    def get(self, key: bytes) -> bytes | None:
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            start = _HEAD.size + middle * _ENTRY.size
            found = self._data[start : start + 32]
            if found == key:
                _, offset, length = _ENTRY.unpack_from(self._data, start)
                return self._data[self._payload + offset : self._payload + offset + length]
            low, high = (middle + 1, high) if found < key else (low, middle)
        return None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        for number in range(self.count):
            key, offset, length = _ENTRY.unpack_from(self._data, _HEAD.size + number * _ENTRY.size)
            yield key, self._data[self._payload + offset : self._payload + offset + length]


class Cache:
    """The folder, as one process sees it. Keys are 32 bytes, values plain JSON objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._segments: dict[str, _Segment] = {}
        self._fresh: dict[bytes, bytes] = {}
        self._unwritten: dict[bytes, bytes] = {}
        self._written_at = time.monotonic()
        self.refresh()

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        if len(self._names()) > MANY_SEGMENTS:
            self.compact()

    def __len__(self) -> int:
        return sum(segment.count for segment in self._segments.values()) + len(self._unwritten)

    def refresh(self) -> None:
        """See what other processes have written, or merged, since."""
        names = self._names()
        for name in set(self._segments) - set(names):
            del self._segments[name]
        for name in names:
            if name in self._segments:
                continue
            try:
                self._segments[name] = _Segment(self.folder / name)
            except FileNotFoundError:
                continue  # merged into another that a further look will show
            except (ValueError, struct.error, OSError) as error:
                warnings.warn(f"{self.folder / name}: left out: {error}", stacklevel=2)

    def get(self, key: bytes) -> dict | None:
        """Return what is known for a key."""
        found = self._fresh.get(key)
        if found is None:
            for segment in self._segments.values():
                found = segment.get(key)
                if found is not None:
                    break
        return None if found is None else json.loads(found)

    def put(self, key: bytes, value: dict) -> None:
        """Remember a value; it is on disk within seconds, or at the next flush."""
        text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        self._fresh[key] = self._unwritten[key] = text
        late = time.monotonic() - self._written_at > FLUSH_SECONDS
        if late or len(self._unwritten) >= FLUSH_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet as a segment of its own."""
        if self._unwritten:
            self._write(self._unwritten)
            self._unwritten = {}
        self._written_at = time.monotonic()

    def compact(self) -> int:
        """Merge all segments into one and return how many entries it has."""
        self.flush()
        self.refresh()
        merged: dict[bytes, bytes] = {}
        names = list(self._segments)
        for segment in self._segments.values():
            merged.update(segment.items())
        if len(names) > 1:
            self._write(merged)
            self._remove(names)
        return len(merged)

    def prune(self, keep_entries: int | None = None, older_than_s: float | None = None) -> int:
        """Remove segments, the oldest first, beyond a number of entries or an age; count entries.

        Files that killed writers have left are removed too.
        """
        now = time.time()
        for path in self.folder.glob(".*"):
            if now - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink(missing_ok=True)
        self.flush()
        self.refresh()
        kept = removed = 0
        paths = [self.folder / name for name in self._segments]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
            count = self._segments[path.name].count
            too_many = keep_entries is not None and kept + count > keep_entries
            too_old = older_than_s is not None and now - path.stat().st_mtime > older_than_s
            if too_many or too_old:
                self._remove([path.name])
                removed += count
            else:
                kept += count
        self._fresh.clear()
        return removed

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self.folder) if name.endswith(_SUFFIX))

    def _write(self, entries: dict[bytes, bytes]) -> None:
        index, payload, offset = [], [], 0
        for key in sorted(entries):
            index.append(_ENTRY.pack(key, offset, len(entries[key])))
            payload.append(entries[key])
            offset += len(entries[key])
        body = b"".join(index) + b"".join(payload)
        head = _HEAD.pack(_MAGIC, len(index), len(body), zlib.crc32(body))
        # Never a name that was used before: removing it could remove another's work.
        path = self.folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        with atomic_write(path) as temporary:
            temporary.write_bytes(head + body)
            # Opened before others can see it: by the time it has its name, one of them may have
            # merged and removed it.
            segment = _Segment(temporary)
        self._segments[path.name] = segment

    def _remove(self, names: list[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
            self._segments.pop(name, None)
