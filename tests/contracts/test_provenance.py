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
