"""A small server that speaks as much of the Hugging Face hub's API as down- and uploads need.

It serves folders of this machine on loopback, the way the hub does: a revision is resolved to a
commit, files are listed page by page with their sizes, small ones come at once, large ones
from another address. Some repositories are open, some gated, some nobody has heard of.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub_uploads import Uploads

PAGE = 3  # files in one page of a listing: the hub has 1,000
LARGE = 20_000  # bytes; what is larger lies elsewhere


@dataclass
class Repository:
    """A model or data set: a folder for each commit, newest last.

    Attributes:
        commits: folders by commit.
        gated: only who shows the server's token may read its files.
        private: only who shows it knows of the repository.
        told: bytes added to what is said of each large file's size, to pretend that it is larger.
    """

    commits: dict[str, Path]
    gated: bool = False
    private: bool = False
    told: int = 0

    def commit(self, revision: str) -> str | None:
        """Return what a revision stands for; None if there is none of that name."""
        return list(self.commits)[-1] if revision == "main" else self._known(revision)

    def _known(self, revision: str) -> str | None:
        return revision if revision in self.commits else None


@dataclass
class Hub:
    """What the server has, and what it was asked.

    Attributes:
        models, datasets: repositories by id.
        token: opens gated and private repositories, and lets one write.
        owners: the token's account, then its organisations.
        kept: folder for what is uploaded.
        status: answered to everything, where it is not 200.
        asked: method and path of each request.
    """

    models: dict[str, Repository] = field(default_factory=dict)
    datasets: dict[str, Repository] = field(default_factory=dict)
    token: str = ""
    owners: tuple[str, ...] = ()
    kept: Path | None = None
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def new(self, commits: dict[str, Path], private: bool) -> Repository:
        """Return a repository that is made by an upload."""
        return Repository(commits, private=private)


@contextmanager
def running(hub: Hub):
    """Serve a hub; yield its address."""

    class Handler(Uploads, _Handler):
        has = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    has: Hub

    def log_message(self, *_arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.has.asked.append(f"{self.command} {path}")
        if self.has.status != 200:
            return self._refuse(self.has.status, "", "Service Unavailable")
        if path == "/api/whoami-v2":
            return self.whoami()
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)", path):
            (kind, name), what, revision = found.groups(), "revision", "main"
        elif found := re.fullmatch(r"/api/(models|datasets)/(.+?)/(revision|tree)/(.+)", path):
            kind, name, what, revision = found.groups()
        elif found := re.fullmatch(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)", path):
            kind, what = (found[1] or "models").rstrip("/"), "file"
            name, revision = found[2], found[3]
        elif found := re.fullmatch(r"/elsewhere/(.+)", path):
            return self._bytes(Path(found[1]))
        else:
            return self._refuse(404, "", "Not Found")
        repository = getattr(self.has, kind).get(name)
        known = self._lets_in()
        if repository is None or (repository.private and not known):
            return self._refuse(404 if known else 401, "RepoNotFound", "Repository not found")
        commit = repository.commit(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        folder = repository.commits[commit]
        if what == "revision":
            about = {"id": name, "sha": commit, "siblings": [], "tags": []}
            return self._json({**about, "private": repository.private})
        if what == "tree":
            return self._tree(folder, url.query)
        if repository.gated and not self._lets_in():
            status = 403 if self.headers.get("Authorization") else 401
            return self._refuse(status, "GatedRepo", f"Access to model {name} is restricted")
        return self._file(folder / found[4], commit, repository.told)

    def _lets_in(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return bool(self.has.token) and given == self.has.token

    def _tree(self, folder: Path, query: str) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        page = re.search(r"cursor=(\d+)", query)
        first = int(page[1]) if page else 0
        rows = [
            {
                "type": "file",
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "oid": _digest(path),
            }
            for path in files[first : first + PAGE]
        ]
        more = {}
        if first + PAGE < len(files):
            here = f"http://{self.headers['Host']}{urlsplit(self.path).path}"
            more["Link"] = f'<{here}?recursive=True&cursor={first + PAGE}>; rel="next"'
        self._json(rows, more)

    def _file(self, path: Path, commit: str, told: int) -> None:
        if not path.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found")
        about = {"X-Repo-Commit": commit, "ETag": f'"{_digest(path)}"'}
        size = path.stat().st_size
        if size <= LARGE:
            return self._bytes(path, about)
        host = self.headers["Host"].replace("127.0.0.1", "localhost")
        location = f"http://{host}/elsewhere/{path}"
        linked = {
            "X-Linked-Size": str(size + told),
            "X-Linked-ETag": about["ETag"],
            "Location": location,
        }
        self._reply(302, b"", {**about, **linked})

    def _bytes(self, path: Path, about: dict | None = None) -> None:
        body, status, about = path.read_bytes(), 200, dict(about or {})
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first, size = int(asked[1]), len(body)
            about["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
            body, status = body[first:], 206
        self._reply(status, body, about)

    def _json(self, value: object, about: dict | None = None) -> None:
        body = json.dumps(value).encode()
        self._reply(200, body, {"Content-Type": "application/json", **(about or {})})

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        named = {"X-Error-Code": code} if code else {}
        self._reply(status, body, {**named, "X-Error-Message": message})

    def _reply(self, status: int, body: bytes, about: dict) -> None:
        self.send_response(status)
        for name, value in {**about, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _digest(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
