"""Damaged inputs are read, or refused by the errors that are documented; nothing else, and in little memory."""

from __future__ import annotations

import pytest

from fuzz.decoders import DECODERS
from fuzz.documents import DOCUMENTS
from fuzz.hdf5_files import HDF5_FILES
from fuzz.image_metadata import IMAGE_METADATA
from fuzz.run import run
from fuzz.stores import STORES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_refuse_damaged_bytes(name: str) -> None:
    report = run(name, range(10_000))
    assert not report.faults, report


@pytest.mark.parametrize("name", [*STORES, *IMAGE_METADATA, *HDF5_FILES])
def test_volumes_with_damaged_files_are_refused(name: str) -> None:
    report = run(name, range(700 if name in STORES else 300))
    assert not report.faults, report


@pytest.mark.parametrize("name", DOCUMENTS)
def test_edited_documents_are_refused(name: str) -> None:
    report = run(name, range(100 if name == "CWL" else 700))
    assert not report.faults, report
