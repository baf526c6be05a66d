"""Conformance tests of CWL that every runner has to pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import unpack
from workflow.conformance import prepare, read_tests, run_test

pytestmark = pytest.mark.slow

NO_CONTAINER = {"cwloutput_nolimit"}
"""Required tests whose tool needs a container."""


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_all_required_features_are_supported(version: str, shared: Path, tmp_path: Path) -> None:
    prepare()
    suite = unpack(shared / "conformance" / f"cwl-{version}.tar.xz", tmp_path / "suite")
    states = {
        test["id"]: run_test(test, tmp_path / str(number), engine="threads", workers=1)
        for number, test in enumerate(read_tests(suite, "required"))
    }
    assert len(states) > 50
    assert {name: why for name, (state, why) in states.items() if state == "failed"} == {}
    assert {name for name, (state, _) in states.items() if state == "unsupported"} <= NO_CONTAINER
