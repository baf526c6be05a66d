"""Job arrays of Slurm, on a real cluster of one node; `test_slurm_faults.py` has what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from peers.slurm import Slurm

from voxome.contracts.engine import Engine
from voxome.engines.slurm import open_slurm
from voxome.testing import EngineContract

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cluster(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    return slurm


class TestSlurm(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        return open_slurm(workers=workers, log=log, poll="1", grace="3", partition="main", time="10")
