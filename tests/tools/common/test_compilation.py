"""The line in the log before kernels are compiled."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

_CALL = """
import logging
logging.basicConfig(level=logging.INFO)
import numpy as np
from voxome.geometry import Box
from voxome.tools.common.cells.methods import cells_of
for _ in range(2):
    cells_of(np.ones((4, 4, 4), np.uint16), Box.of_shape((4, 4, 4)), (2, 2, 2), "max")
"""


@pytest.mark.slow
def test_a_line_says_that_kernels_are_compiled_and_none_that_they_are_loaded(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    lines = [
        subprocess.run([sys.executable, "-c", _CALL], check=True, capture_output=True, text=True).stderr.splitlines()
        for _ in range(2)
    ]
    announced = [[line for line in one if "compiling kernels" in line] for one in lines]
    assert [len(one) for one in announced] == [1, 0]
    assert logging.getLevelName(logging.INFO) in announced[0][0]
