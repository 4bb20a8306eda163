"""`./valley export --hub` to a server that speaks the hub's API, by the library for it."""

import json
import os
import subprocess
import sys

import hub
import pytest

TOKEN = "hf_" + "OfOneWhoMayWriteHere"
CHECKPOINT, SHARD = "tiny/distil/base/all.any/n32-s0", "all.any/n32-s0"
# Loads what was uploaded, as its pages say, in a process that knows the server alone.
LOADING = f"""
import json, sys
from datasets import load_dataset
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("group/smoke", subfolder="{CHECKPOINT}")
folder = snapshot_download("group/smoke", repo_type="dataset")
rows = load_dataset(folder, "{SHARD.replace("/", "-")}", cache_dir=sys.argv[1])["train"]
print(json.dumps([model.num_parameters(), len(rows)]))
"""


@pytest.fixture
def has(tmp_path) -> hub.Hub:
    return hub.Hub(token=TOKEN, owners=("me", "group"), kept=tmp_path / "server")


@pytest.fixture
def site(finished, tmp_path, monkeypatch):
    """A user's shell, and a way to export in it."""

    class Site:
        out, home = tmp_path / "exported", tmp_path / "home"

        def export(self, *options: str, status: int = 0) -> str:
            study, to = str(finished.study), str(self.out)
            return finished.valley("export", study, "--to", to, *options, status=status)

    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(Site.home))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # the server has the other protocol
    return Site()


def contents(folder) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.long
def test_models_and_data_sets_come_back_from_the_hub_as_they_were(site, has, tmp_path, monkeypatch):
    (site.out / "models" / "stray").mkdir(parents=True)
    (site.out / "models" / "stray" / "of-another-study.txt").write_text("not of this study")
    with hub.running(has) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        said = site.export("--only", "models", "datasets", "--hub", "group/smoke")
        for kind, part in (("models", "models"), ("datasets", "datasets")):
            repository = getattr(has, kind)["group/smoke"]
            assert repository.private
            uploaded = contents(list(repository.commits.values())[-1])
            exported = contents(site.out / part)
            exported.pop("stray/of-another-study.txt", None)
            assert uploaded == exported
            assert "README.md" in uploaded
        assert f"{CHECKPOINT}/model.safetensors" in contents(site.out / "models")
        assert f"{address}/group/smoke/commit/" in said
        assert f"{address}/datasets/group/smoke/commit/" in said
        assert any(line.startswith("PUT /lfs/") for line in has.asked), "weights by themselves"

        loaded = subprocess.run(
            [sys.executable, "-c", LOADING, str(tmp_path / "cache")],
            capture_output=True,
            text=True,
        )
        assert loaded.returncode == 0, loaded.stderr
        parameters, rows = json.loads(loaded.stdout.splitlines()[-1])
        assert parameters > 1000 and rows == 32

        first = has.models["group/smoke"]
        site.export("--only", "models", "--hub", "group/smoke")
        assert has.models["group/smoke"] is first
        assert len(has.datasets["group/smoke"].commits) == 2, "the empty one, and the upload"
    assert TOKEN not in said
    for folder in (site.out, tmp_path / "server"):
        assert not [name for name, text in contents(folder).items() if TOKEN.encode() in text]


def test_dry_prints_what_would_be_uploaded_and_asks_nobody(site, has, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with hub.running(has) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        said = site.export("--only", "models", "datasets", "--hub", "me/smoke", "--dry")
    assert has.asked == []
    assert f"would be uploaded to {address}/me/smoke (model): " in said
    assert f"would be uploaded to {address}/datasets/me/smoke (dataset): " in said
    assert f"  {CHECKPOINT}/model.safetensors\n" in said
    assert f"  {SHARD}/data/train.parquet\n" in said


@pytest.mark.long
def test_what_hinders_an_upload_is_told_with_the_remedy(site, has, monkeypatch):
    def refused(*options: str) -> str:
        said = site.export("--only", "datasets", "--hub", *options, status=1)
        assert "Traceback" not in said
        assert TOKEN not in said
        return said

    with hub.running(has) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        said = refused("stranger/smoke")
        assert "can't write below 'stranger'; it can below: me, group" in said
        monkeypatch.setenv("HF_TOKEN", "hf_ofSomebodyElse")
        said = refused("me/smoke")
        assert f"the hub does not know this token: make one that may write at {address}" in said
        monkeypatch.delenv("HF_TOKEN")
        said = refused("me/smoke")
        assert "requires a token, and none is set" in said and "`export HF_TOKEN=…`" in said
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert has.datasets == {}

        public = has.kept / "public" / ("0" * 40)
        public.mkdir(parents=True)
        has.datasets["me/open"] = hub.Repository({public.name: public})
        said = refused("me/open")
        assert "everybody can read it: nothing was uploaded" in said
        assert len(has.datasets["me/open"].commits) == 1
        site.export("--only", "datasets", "--hub", "me/open", "--public")
        assert len(has.datasets["me/open"].commits) == 2

        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert "HF_HUB_OFFLINE is set: unset it for uploading" in refused("me/smoke")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        has.status = 503
        assert f"{address} can't be reached (it answers 503)" in refused("me/smoke")
    assert f"{address} can't be reached (" in refused("me/smoke")
    said = site.export("--hub", "no-owner", status=2)
    assert "'no-owner' is not a repository of the hub; write OWNER/NAME" in said
    said = site.export("--only", "latex", "--hub", "me/smoke", status=2)
    assert "nothing to upload: no model and no data set was exported" in said
