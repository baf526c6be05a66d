"""Errors that refuse an input, and those that are faults."""

from __future__ import annotations

import pytest

from fuzz.refusals import refusing
from voxome.errors import CorruptData, OutOfMemory, VoxomeError


def test_documented_errors_refuse_an_input() -> None:
    with refusing((VoxomeError,)):
        raise CorruptData("damaged")
    with pytest.raises(KeyError), refusing((VoxomeError,)):
        raise KeyError("a")


@pytest.mark.parametrize("error", [CorruptData("damaged"), OutOfMemory("large")])
def test_a_lack_of_memory_is_a_fault_whatever_it_has_become(error: VoxomeError) -> None:
    def read() -> None:
        try:
            raise MemoryError
        except MemoryError as cause:
            raise error from cause

    with pytest.raises(type(error)), refusing((VoxomeError,)):
        read()
