"""The uploading part of the small hub: accounts, new repositories, commits, large files."""

import base64
import hashlib
import json
import re
import shutil
from urllib.parse import unquote, urlsplit

LFS = 5_000  # bytes; what is larger is uploaded by itself, before the commit that names it


class Uploads:
    """What a handler of the hub's requests answers to those that write."""

    def whoami(self) -> None:
        if not self._lets_in():
            return self._refuse(401, "", "Invalid username or password.")
        name, *groups = self.has.owners
        self._json({"name": name, "type": "user", "orgs": [{"name": group} for group in groups]})

    def do_PUT(self) -> None:
        """Take a large file, under the digest in its address."""
        body = self._body()
        self.has.asked.append(f"PUT {self.path}")
        wanted = self.path.rpartition("/")[2]
        if hashlib.sha256(body).hexdigest() != wanted:
            return self._refuse(400, "", "The content is not what its digest says")
        target = self.has.kept / "lfs" / wanted
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        self._reply(200, b"", {})

    def do_POST(self) -> None:
        body, path = self._body(), unquote(urlsplit(self.path).path)
        self.has.asked.append(f"POST {path}")
        if self.has.status != 200:
            return self._refuse(self.has.status, "", "Service Unavailable")
        if not self._lets_in():
            return self._refuse(401, "", "Invalid username or password.")
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if found := re.fullmatch(r"/(datasets/)?(.+)[.]git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body))
        found = re.fullmatch(r"/api/(models|datasets)/(.+?)/(preupload|commit)/main", path)
        repository = found and getattr(self.has, found[1]).get(found[2])
        if not repository:
            return self._refuse(404, "RepoNotFound", "Repository not found")
        if found[3] == "preupload":
            return self._modes(json.loads(body)["files"])
        return self._commit(repository, found, [json.loads(line) for line in body.splitlines()])

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _create(self, asked: dict) -> None:
        kind = f"{asked.get('type') or 'model'}s"
        name = f"{asked.get('organization') or self.has.owners[0]}/{asked['name']}"
        if name.partition("/")[0] not in self.has.owners:
            return self._refuse(403, "", "You don't have the rights to create it there")
        address = f"http://{self.headers['Host']}/{'datasets/' * (kind == 'datasets')}{name}"
        if name in getattr(self.has, kind):
            body = json.dumps({"error": "You already created this repo", "url": address}).encode()
            return self._reply(409, body, {"Content-Type": "application/json"})
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        empty = self.has.kept / kind / name / ("0" * 40)
        empty.mkdir(parents=True)
        getattr(self.has, kind)[name] = self.has.new({empty.name: empty}, private)
        self._json({"url": address, "id": name})

    def _modes(self, files: list[dict]) -> None:
        self._json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["size"] > LFS else "regular",
                        "shouldIgnore": False,
                    }
                    for file in files
                ]
            }
        )

    def _batch(self, asked: dict) -> None:
        objects = []
        for item in asked["objects"]:
            about = {"oid": item["oid"], "size": item["size"]}
            if not (self.has.kept / "lfs" / item["oid"]).is_file():
                href = f"http://{self.headers['Host']}/lfs/{item['oid']}"
                about["actions"] = {"upload": {"href": href}}
            objects.append(about)
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository, found: re.Match, lines: list[dict]) -> None:
        """Make a commit: the files of the one before, and those of the request."""
        kind, name = found[1], found[2]
        before = list(repository.commits.values())[-1]
        digest = hashlib.sha1(json.dumps([before.name, lines]).encode()).hexdigest()
        folder = self.has.kept / kind / name / digest
        shutil.copytree(before, folder)
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                continue
            target = folder / value["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if line["key"] == "lfsFile":
                shutil.copyfile(self.has.kept / "lfs" / value["oid"], target)
            elif line["key"] == "file":
                target.write_bytes(base64.b64decode(value["content"]))
            else:
                return self._refuse(400, "", f"Unknown: {line['key']}")
        repository.commits[digest] = folder
        address = f"http://{self.headers['Host']}/{'datasets/' * (kind == 'datasets')}{name}"
        self._json(
            {"success": True, "commitUrl": f"{address}/commit/{digest}", "commitOid": digest}
        )
