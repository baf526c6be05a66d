"""Transfers run on any engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.engines.sequential import SequentialEngine
from voxome.errors import InvalidInput, UnknownName
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.engine import engine_opener


@pytest.fixture
def source(tmp_path: Path) -> str:
    array = np.random.default_rng(0).integers(0, 255, (24, 20, 16), dtype=np.uint8)
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of(array.shape, "uint8", chunk=(8, 8, 8)))
    volume[...] = array
    return f"zarr://{tmp_path}/a.zarr"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sequential", "threads", pytest.param("local", marks=pytest.mark.slow)])
def test_engines_copy_the_same_voxels(source: str, tmp_path: Path, engine: str) -> None:
    target = f"n5://{tmp_path}/b.n5"
    report = voxome.transfer(source, target, engine=engine, workers=2, levels=2, verify="all")
    assert report.run == report.verified == report.blocks
    assert np.array_equal(voxome.open(target)[...], voxome.open(source)[...])
    again = voxome.transfer(source, target, engine=engine, workers=2, levels=2, verify="all")
    assert (again.run, again.reused) == (0, report.blocks)


def test_an_engine_that_the_user_opened_is_not_closed(source: str, tmp_path: Path) -> None:
    closed = []

    class Watched(SequentialEngine):
        def close(self) -> None:
            closed.append(self)

    voxome.transfer(source, f"n5://{tmp_path}/b.n5", engine=Watched())
    assert not closed


def test_an_unknown_engine_is_refused_before_any_work(source: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown engine 'lokal'; did you mean 'local'"):
        voxome.transfer(source, f"n5://{tmp_path}/b.n5", engine="lokal")
    with pytest.raises(UnknownName, match="Unknown record store 'none'"):
        voxome.transfer(source, f"n5://{tmp_path}/b.n5", records="none")
    assert not (tmp_path / "b.n5").exists()


def test_a_volume_in_memory_needs_threads_of_this_process(source: str) -> None:
    with pytest.raises(InvalidInput, match="Only this process can open memory://here; leave out the engine"):
        voxome.transfer(source, "memory://here", engine="local")


def test_one_writer_at_a_time_needs_an_engine_with_one_slot(tmp_path: Path) -> None:
    uri = f"nifti://{tmp_path}/a.nii"
    target = voxome.create(uri, voxome.VolumeSpec.of((4, 4, 4), "uint8")).source
    assert not target.concurrent_writers
    ends = (Endpoint.of(uri),)
    with pytest.raises(InvalidInput, match="one writer at a time"), engine_opener("threads", ends, 2)(target, tmp_path):
        pass
    with engine_opener("threads", ends, 1)(target, tmp_path) as engine:
        assert engine is not None
    with engine_opener(None, ends, 2)(target, tmp_path) as engine:
        assert engine is None
