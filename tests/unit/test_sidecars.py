"""What a sidecar says, or why it says nothing."""

import json

import pytest
from valley.core.sidecars import DamagedSidecar, provenance, provenances, read_sidecar

WHOLE = {"rule": "judge", "params": {}, "inputs": {}, "outputs": {}, "measured": {}}
DAMAGES = [
    ("", "Expecting value"),
    ('{"rule": "jud', "Unterminated string"),
    ("{}", "it lacks rule, params, inputs, outputs, measured"),
    ("[]", "it lacks rule"),
    ("null", "it lacks rule"),
    (json.dumps({**WHOLE, "outputs": None}), "it lacks outputs"),
    ("\udcff", "can't decode byte"),
]


@pytest.mark.parametrize(("text", "fault"), DAMAGES)
def test_a_damaged_sidecar_is_named_with_its_fault_and_a_way_out(tmp_path, text, fault):
    path = tmp_path / "a.meta.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    (tmp_path / "b.meta.json").write_text(json.dumps(WHOLE))
    with pytest.raises(DamagedSidecar) as caught:
        read_sidecar(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: damaged (") and fault in said and "\n" not in said
    assert said.endswith("; delete it with its result")
    heard = []
    assert provenance(tmp_path / "a.parquet", damaged=heard.append) == {}
    assert [name.name for name, _ in provenances(tmp_path, heard.append)] == ["b.meta.json"]
    assert heard == [said, said]
    with pytest.raises(DamagedSidecar):
        list(provenances(tmp_path))


def test_a_sidecar_that_is_not_there_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    assert read_sidecar(tmp_path / "a.meta.json") is None
    assert read_sidecar(tmp_path / "file/a.meta.json") is None
    assert provenance(tmp_path / "a.parquet") == {} == provenance(tmp_path / "file/a")
