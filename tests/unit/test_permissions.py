"""Files of a folder that several users share: the umask decides, and errors name owner and path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from valley.core import disk, tempfiles
from valley.core.files import write_json, write_text
from valley.core.permissions import Forbidden
from valley.core.store import Store

SCRIPTS = Path(disk.__file__).parents[2]


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o002, 0o664, 0o775), (0o077, 0o600, 0o700)]
)
def test_the_umask_says_who_may_use_a_result(tmp_path, umask, file, folder):
    before = os.umask(umask)
    try:
        result = tmp_path / "new" / "report.html"
        write_text(result, "page")
        write_json(tmp_path / "new" / "about.json", {})
        store = Store(tmp_path / "store")
        store.keep("ab" + "0" * 62, [result], [], {})
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {file}
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in folders} == {folder}
    assert len(folders) > 2


def test_what_is_written_aside_is_swept_when_its_writer_is_gone(tmp_path):
    code = (
        "from pathlib import Path; from valley.core import tempfiles; "
        f"here = Path({str(tmp_path)!r}); "
        "tempfiles.file(here / 'a'); tempfiles.folder(here / 'b', 'c')"
    )
    env = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert len(tempfiles.sweep(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_the_path_its_owner_and_the_remedy(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir(mode=0o755)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    pid = os.fork()
    if not pid:  # a child, so that this process stays root
        os.setgid(65534), os.setuid(65534)
        try:
            with disk.explained(folder):
                write_text(folder / "a" / "report.html", "page")
        except Forbidden as error:
            told = str(error)
            said = f"{folder}/a: nobody may not use it: {folder} belongs to root, group root, drwx"
            os._exit(0 if told.startswith(said) and f"chmod -R g+rwX {folder};" in told else 4)
        finally:
            os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
