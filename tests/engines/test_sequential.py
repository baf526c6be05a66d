"""The sequential engine meets the contract."""

from __future__ import annotations

from pathlib import Path

from voxome.contracts.engine import Engine
from voxome.engines.sequential import SequentialEngine
from voxome.testing import EngineContract


class TestSequential(EngineContract):
    has_processes = False
    stops_running_jobs = False
    workers = 1

    def open_engine(self, workers: int, log: Path) -> Engine:
        return SequentialEngine(workers=workers, log=log)
