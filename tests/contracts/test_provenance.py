from __future__ import annotations

import json

import pytest

from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.errors import CorruptData, UnsupportedFormat


def made() -> Provenance:
    inputs = [InputRecord("labels", "s3://user:secret@bucket/labels", "v3")]
    return Provenance.now("mesh", LOCAL, "common.meshes", "2", {"max_error_nm": 40.0}, inputs, "run-1")


def test_it_survives_json():
    one = made()
    assert Provenance.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_it_has_no_secrets():
    assert "secret" not in json.dumps(made().to_json())


def test_parameters_have_no_secrets():
    parameters = {"token": "abc", "to": ["https://me:abc@host/x?admintoken=abc"], "deep": {"db_password": "abc"}}
    one = Provenance.now("mesh", LOCAL, "common.meshes", "2", parameters)
    assert "abc" not in json.dumps(one.to_json())
    assert one.parameters["to"] == ["https://host/x?admintoken=***"]


def test_what_others_wrote_is_kept_as_it_is():
    one = Provenance.of_others("provenance", {"method": {"task": "MeshTask"}, "by": "a@b.org", "date": "2020-01-01"})
    assert (one.way, one.time, one.parameters["method"]) == ("other", "2020-01-01", {"task": "MeshTask"})
    assert Provenance.of_others("attribute history", "resampled").parameters == {"content": "resampled"}


def test_the_time_is_in_utc():
    assert made().time.endswith("+00:00")


def test_another_version_is_refused():
    with pytest.raises(UnsupportedFormat, match="version 9"):
        Provenance.from_json({**made().to_json(), "format_version": 9})


def test_a_missing_field_is_named():
    data = made().to_json()
    del data["tool"]
    with pytest.raises(CorruptData, match="tool"):
        Provenance.from_json(data, "provenance.json")
