"""Verification finds blocks that differ from what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, RunFailed, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.services.transfer.job import OpenCopy
from voxome.services.transfer.verification import is_verified

CHUNK = (16, 16, 16)
BAD = (20, 5, 33)
pytestmark = pytest.mark.usefixtures("small_blocks")


class ForgetfulSource:
    """A zarr array that silently loses the voxel `BAD`."""

    concurrent_writers = True

    def __init__(self, source: VolumeSource) -> None:
        self._source = source

    @property
    def spec(self) -> VolumeSpec:
        return self._source.spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        return self._source.read(box, out=out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        data = data.copy()
        if BAD in box:
            data[Box(BAD, tuple(i + 1 for i in BAD)).within(box)] ^= 1
        self._source.write(box, data)

    def version(self) -> Any:
        return self._source.version()


class ForgetfulRemote:
    def open(self, uri: Uri, *, mode: Mode = "r") -> ForgetfulSource:
        return ForgetfulSource(ZarrRemote().open(Uri("zarr", uri.path), mode=mode))

    def create(self, uri: Uri, spec: VolumeSpec) -> ForgetfulSource:
        return ForgetfulSource(ZarrRemote().create(Uri("zarr", uri.path), spec))


class DamagingSource(ForgetfulSource):
    """A zarr array of which a chunk file is damaged after it is written."""

    def __init__(self, source: VolumeSource, folder: Path) -> None:
        super().__init__(source)
        self._folder = folder

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._source.write(box, data)
        if BAD in box:
            chunk = self._folder / "0" / "c" / "/".join(str(i // 16) for i in BAD)
            stored = bytearray(chunk.read_bytes())
            stored[len(stored) // 2] ^= 255
            chunk.write_bytes(stored)


class DamagingRemote:
    def open(self, uri: Uri, *, mode: Mode = "r") -> DamagingSource:
        return DamagingSource(ZarrRemote().open(Uri("zarr", uri.path), mode=mode), Path(uri.path))

    def create(self, uri: Uri, spec: VolumeSpec) -> DamagingSource:
        return DamagingSource(ZarrRemote().create(Uri("zarr", uri.path), spec), Path(uri.path))


@pytest.fixture
def forgetful(register_plugin: Callable[[str, str, str], None]) -> None:
    """Register the schemes ``forgetful://`` and ``damaging://`` in this process."""
    for name in ("Forgetful", "Damaging"):
        register_plugin("voxome.remotes", name.lower(), f"{__name__}:{name}Remote")


@pytest.fixture
def source(tmp_path: Path) -> str:
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=CHUNK))
    volume[...] = np.random.default_rng(0).integers(1, 255, (64, 64, 64))
    return volume.uri


@pytest.mark.slow
@pytest.mark.usefixtures("forgetful")
def test_full_verification_finds_a_lost_voxel(tmp_path: Path, source: str) -> None:
    uri = f"forgetful://{tmp_path}/b"
    with pytest.raises(RunFailed, match=r"differs from what was written at 16:32,0:16,32:48, in 1 of 4,096"):
        voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    with pytest.raises(RunFailed):
        voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="none")
    assert (report.run, report.reused, report.verified) == (1, 63, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_full_verification_finds_a_damaged_file(tmp_path: Path, source: str, codec: str) -> None:
    with pytest.raises(RunFailed, match="- 16:32,0:16,32:48: ") as error:
        voxome.transfer(source, f"damaging://{tmp_path}/b", chunk=CHUNK, encoding={"codec": codec}, verify="all")
    assert str(error.value).startswith("1 of 64 jobs")


@pytest.mark.slow
@pytest.mark.usefixtures("forgetful")
def test_sampled_verification_finds_damage_in_the_sample(tmp_path: Path, source: str) -> None:
    bad = 16 + 2
    hit, miss = (
        next(s for s in range(100) if is_verified("sampled", s, bad, 64) == wanted) for wanted in (True, False)
    )
    report = voxome.transfer(source, f"forgetful://{tmp_path}/b", chunk=CHUNK, seed=miss)
    assert report.verified == sum(is_verified("sampled", miss, index, 64) for index in range(64))
    with pytest.raises(RunFailed, match="at 16:32,0:16,32:48"):
        voxome.transfer(source, f"forgetful://{tmp_path}/c", chunk=CHUNK, seed=hit)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [1, 2])
def test_a_later_call_verifies_what_was_copied_before(tmp_path: Path, source: str, levels: int) -> None:
    uri, blocks = f"zarr://{tmp_path}/b.zarr", 64 if levels == 1 else 72
    first = voxome.transfer(source, uri, chunk=CHUNK, levels=levels, verify="none")
    assert (first.blocks, first.verified) == (blocks, 0)
    for _ in range(2):
        report = voxome.transfer(source, uri, chunk=CHUNK, levels=levels, verify="all")
        assert (report.run, report.reused, report.verified) == (0, blocks, blocks)
    assert voxome.transfer(source, uri, chunk=CHUNK, levels=levels).verified == 0


@pytest.mark.slow
def test_damage_that_a_later_call_finds_is_copied_again(tmp_path: Path, source: str) -> None:
    uri = f"zarr://{tmp_path}/b.zarr"
    voxome.transfer(source, uri, chunk=CHUNK)
    copied = voxome.open(uri, mode="r+", expect=voxome.Volume)
    copied[BAD] = 0
    with pytest.raises(RunFailed, match=r"differs from its source at 16:32,0:16,32:48, in 1 of 4,096.*rerun the same"):
        voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    assert (report.run, report.reused, report.verified) == (1, 63, 1)
    assert copied[BAD] == voxome.open(source, expect=voxome.Volume)[BAD]


@pytest.mark.slow
@pytest.mark.parametrize("error", [StoreError, CorruptData])
@pytest.mark.parametrize("engine", [None, "sequential"])
def test_an_outage_during_verification_forgets_no_block(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch, error: type[VoxomeError], engine: str | None
) -> None:
    uri = f"zarr://{tmp_path}/b.zarr"
    voxome.transfer(source, uri, chunk=CHUNK)

    def fail(*_: Any, **__: Any) -> None:
        raise error("the source cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(OpenCopy, "_read", fail)
        with pytest.raises(RunFailed, match=r"cannot be read[\s\S]*blocks are kept"):
            voxome.transfer(source, uri, chunk=CHUNK, verify="all", engine=engine)
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    assert (report.run, report.reused, report.verified) == (0, 64, 64)


@pytest.mark.slow
def test_only_the_damaged_block_is_copied_again_when_other_blocks_could_not_be_read(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, read = f"zarr://{tmp_path}/b.zarr", OpenCopy._read
    voxome.transfer(source, uri, chunk=CHUNK)
    voxome.open(uri, mode="r+", expect=voxome.Volume)[BAD] = 0

    def fail_elsewhere(self: OpenCopy, box: Box) -> NDArray[Any]:
        if box.start[0] == 48:
            raise StoreError("the source cannot be read")
        return read(self, box)

    with monkeypatch.context() as patch:
        patch.setattr(OpenCopy, "_read", fail_elsewhere)
        with pytest.raises(RunFailed, match="differs from its source"):
            voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    assert (report.run, report.reused) == (1, 63)


@pytest.mark.slow
def test_a_block_that_cannot_be_decoded_is_copied_again(tmp_path: Path, source: str) -> None:
    uri = f"zarr://{tmp_path}/b.zarr"
    voxome.transfer(source, uri, chunk=CHUNK)
    chunk = tmp_path / "b.zarr" / "0" / "c" / "/".join(str(i // 16) for i in BAD)
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(RunFailed, match="rerun the same command to copy these voxels again"):
        voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    assert (report.run, report.reused, report.verified) == (1, 63, 1)


@pytest.mark.slow
def test_an_interrupted_transfer_verifies_each_block_once(tmp_path: Path, source: str) -> None:
    uri, steps = f"zarr://{tmp_path}/b.zarr", 0

    def interrupt(_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        voxome.transfer(source, uri, chunk=CHUNK, verify="all", progress=interrupt)
    report = voxome.transfer(source, uri, chunk=CHUNK, verify="all")
    assert 0 < report.reused < 64
    assert report.run <= report.verified <= report.run + 2


def test_floats_are_compared_bit_by_bit(tmp_path: Path) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/f.zarr", voxome.VolumeSpec.of((4, 4, 4), "float32"))
    volume[...] = np.nan
    voxome.transfer(volume, f"zarr://{tmp_path}/g.zarr", verify="all")
    assert np.isnan(voxome.open(f"{tmp_path}/g.zarr")[...]).all()


@pytest.mark.slow
def test_a_lossy_encoding_cannot_be_verified(tmp_path: Path, source: str) -> None:
    uri = f"precomputed://{tmp_path}/b"
    with pytest.raises(InvalidInput, match=r"lossy codec \(jpeg\).*--verify none"):
        voxome.transfer(source, uri, encoding={"codec": "jpeg"})
    report = voxome.transfer(source, uri, encoding={"codec": "jpeg"}, verify="none")
    assert report.verified == 0
    with pytest.raises(InvalidInput, match="lossy codec"):
        voxome.transfer(source, uri, encoding={"codec": "jpeg"}, existing=True)
