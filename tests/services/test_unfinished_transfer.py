"""The destination of a transfer that has not finished is known, and refused as input of anything, unless forced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.errors import AlreadyExists, InvalidInput

COMMAND = """
import os, signal, sys, time, voxome
def stop(report):
    if report.run >= 2:
        os.kill(os.getpid(), int(sys.argv[3]))
        time.sleep(60)
voxome.transfer(sys.argv[1], sys.argv[2], progress=stop, chunk=(16, 64, 64))
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    uri = f"zarr://{tmp_path}/source.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(16, 64, 64)))[...] = 3
    return uri


def interrupt(source: str, target: str, how: signal.Signals) -> None:
    """Stop a transfer after its first blocks, in a process of its own."""
    environment = {**os.environ, "VOXOME_TRANSFER_BLOCK_BYTES": "65536"}
    command = [sys.executable, "-c", COMMAND, source, target, str(int(how))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -how or "KeyboardInterrupt" in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("target", ["zarr://{}/t.zarr", "n5://{}/t", "precomputed://{}/t", "hdf5://{}/t.h5/a/b"])
def test_the_destination_of_an_interrupted_transfer_is_unfinished(
    source: str, tmp_path: Path, how: signal.Signals, target: str
) -> None:
    uri = target.format(tmp_path)
    interrupt(source, uri, how)
    assert voxome.info(uri)["complete"] is False
    with pytest.raises(InvalidInput, match=r"is not finished: the transfer into its box .*64.*rerun that transfer"):
        voxome.get(uri, tmp_path / "copy.npy")
    with pytest.raises(InvalidInput, match="is not finished"):
        voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")
    voxome.get(uri, tmp_path / "copy.npy", force=True)
    voxome.transfer(source, uri, chunk=(16, 64, 64))
    assert voxome.info(uri)["complete"] is True
    assert (voxome.open(uri, expect=voxome.Volume)[...] == 3).all()
    assert not list(tmp_path.rglob("*voxome-lock"))


def leave_unfinished(source: str, target: str, **options: Any) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        voxome.transfer(source, target, progress=stop, **options)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["zarr://{}/t.zarr", "npy://{}/t.npy", "hdf5://{}/t.h5", "hdf5://{}/t.h5/a/b"])
def test_a_removed_destination_has_no_lock(source: str, tmp_path: Path, target: str) -> None:
    uri = target.format(tmp_path)
    leave_unfinished(source, uri)
    assert voxome.info(uri)["complete"] is False
    assert voxome.info(uri.partition("://")[2])["complete"] is False
    voxome.rm(uri)
    assert not list(tmp_path.rglob("*voxome-lock"))


def test_a_level_of_an_unfinished_destination_is_unfinished(source: str, tmp_path: Path) -> None:
    leave_unfinished(source, f"zarr://{tmp_path}/t.zarr")
    for uri in (f"zarr://{tmp_path}/t.zarr/0", f"zarr://{tmp_path}/t.zarr?level=0"):
        assert voxome.info(uri)["complete"] is False


@pytest.mark.slow
def test_a_box_stays_unfinished_until_a_transfer_fills_it(source: str, tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/t.zarr"
    voxome.create(uri, voxome.open(source, expect=voxome.Volume).spec)
    leave_unfinished(source, uri, box="0:32,:,:", existing=True)
    voxome.transfer(source, uri, box="32:64,:,:", existing=True)
    assert voxome.info(uri)["complete"] is False
    voxome.transfer(source, uri, existing=True)
    assert voxome.info(uri)["complete"] is True


def test_a_refused_transfer_leaves_its_destination_finished(source: str, tmp_path: Path) -> None:
    voxome.transfer(source, f"zarr://{tmp_path}/t.zarr")
    with pytest.raises(AlreadyExists):
        voxome.transfer(source, f"zarr://{tmp_path}/t.zarr", box="0:8,:,:")
    assert voxome.info(f"zarr://{tmp_path}/t.zarr")["complete"] is True
