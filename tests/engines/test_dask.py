"""Jobs on Dask clusters: of this machine, of others, and of Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.engine import Engine
from voxome.engines.dask import open_dask
from voxome.testing import EngineContract

pytestmark = pytest.mark.slow


class TestLocalCluster(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        return open_dask(workers=workers, log=log)
