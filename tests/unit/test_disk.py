"""A full disk in plain words, whatever a library calls it; other errors stay what they are."""

import errno

import pytest
from valley.core import disk
from valley.core.files import atomic_write


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
    ],
)
def test_what_libraries_call_a_full_disk(tmp_path, error):
    told = r"of [\d,]+ bytes are free. Free space there"
    with pytest.raises(disk.DiskFull, match=told), disk.explained(tmp_path / "not" / "there"):
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("pos"), SystemExit(75)])
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as raised, disk.explained(tmp_path):
        raise error
    assert raised.value is error


def test_an_error_behind_an_error_is_found(tmp_path):
    with pytest.raises(disk.DiskFull), disk.explained(tmp_path):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("could not be saved") from error


def test_how_much_of_a_file_there_was_room_for_is_told(tmp_path):
    path = tmp_path / "table.csv"
    told = f"{path} needs more than the 1,000 bytes that were"
    with (
        pytest.raises(disk.DiskFull, match=told),
        disk.explained(tmp_path),
        atomic_write(path) as temporary,
    ):
        temporary.write_bytes(bytes(1000))
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
