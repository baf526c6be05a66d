"""Benches on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blocks.bench import Bench, make_bench

from voxome.contracts.engine import Engine
from voxome.engines.local import LocalEngine
from voxome.engines.sequential import SequentialEngine


@pytest.fixture(scope="module")
def local_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(workers=2, log=tmp_path_factory.mktemp("engine") / "log")
    yield engine
    engine.close()


@pytest.fixture
def folder_bench(tmp_path: Path) -> Iterator[Bench]:
    bench = make_bench(tmp_path, SequentialEngine())
    yield bench
    bench.records.close()


@pytest.fixture(params=["sequential", "local"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, local_engine: LocalEngine) -> Iterator[Bench]:
    engine: Engine = local_engine if request.param == "local" else SequentialEngine()
    bench = make_bench(tmp_path, engine)
    yield bench
    bench.records.close()
