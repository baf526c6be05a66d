"""What all stores behind tensorstore share: views, errors, durability, http."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    InvalidBox,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.remotes.tensorstore import TensorStoreSource, reorder_axes
from voxome.storage import tensorstore
from voxome.storage.find import storage_path
from voxome.storage.tensorstore import open_store
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

SHAPE = (20, 24, 28)


def make(
    path: str, *, writable: bool = True, create: bool = True, order: tuple[int, ...] = (0, 1, 2)
) -> TensorStoreSource:
    """An uncompressed zarr v3 array in chunks of 8^3, its axes in `order`, beginning at (-5, 3, 100)."""
    metadata = {
        "shape": SHAPE,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8, 8]}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    place = storage_path(Uri("zarr", path))
    spec = {"driver": "zarr3", "kvstore": place.spec(), **({"metadata": metadata} if create else {})}
    store = open_store(spec, path, create=create, read=True, write=writable)
    shape = tuple(SHAPE[i] for i in order)
    seen = VolumeSpec.of(shape, "uint16", chunk=(8, 8, 8), start=(-5, 3, 100))
    return TensorStoreSource(
        reorder_axes(store, order, seen.domain.start), seen, name=path, writable=writable, metadata=(place, "zarr.json")
    )


@pytest.fixture
def values() -> NDArray[np.uint16]:
    return noise(SHAPE, "uint16")


@pytest.fixture
def stored(tmp_path: Path, values: NDArray[np.uint16]) -> TensorStoreSource:
    source = make(str(tmp_path / "a"))
    source.write(source.spec.domain, values)
    return source


def test_views_are_transposed_and_shifted(tmp_path: Path, values: NDArray[np.uint16]) -> None:
    source = make(str(tmp_path / "a"), order=(2, 0, 1))
    turned = values.transpose(2, 0, 1)
    source.write(source.spec.domain, turned)
    assert_array_equal(make(str(tmp_path / "a"), create=False).read(Box.of_shape(SHAPE, (-5, 3, 100))), values)
    box = Box((-2, 4, 105), (9, 20, 113))
    result = source.read(box)
    assert result.flags.c_contiguous
    assert_array_equal(result, turned[box.within(source.spec.domain)])


def test_reads_fill_the_array_passed_as_out(stored: TensorStoreSource, values: NDArray[np.uint16]) -> None:
    box = Box((-3, 5, 101), (7, 20, 120))
    part = values[box.within(stored.spec.domain)]
    whole = np.zeros((12, 20, 40), np.uint16)
    view = whole[2:, 3:18, ::2][:, :, 1:]
    assert stored.read(box, out=view) is view
    assert_array_equal(view, part)
    assert whole.sum() == view.sum(dtype=whole.sum().dtype)
    for dtype in ("float64", ">u2", "uint32"):
        assert_array_equal(stored.read(box, out=np.empty(box.shape, dtype)), part)
    for empty in (Box((0, 5, 101), (0, 9, 103)), Box((0, 0, 0), (0, 0, 0))):
        assert stored.read(empty).shape == empty.shape


def test_out_of_another_shape_is_refused(stored: TensorStoreSource) -> None:
    with pytest.raises(InvalidBox, match="out has shape"):
        stored.read(Box((0, 3, 100), (2, 5, 102)), out=np.empty((2, 2, 1), np.uint16))


def test_read_only_memory_is_not_written(stored: TensorStoreSource) -> None:
    out = np.zeros((2, 2, 2), np.uint16)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        stored.read(Box((0, 3, 100), (2, 5, 102)), out=out)


@pytest.mark.parametrize("box", [Box((-6, 3, 100), (0, 4, 101)), Box((0, 3), (1, 4)), Box((0, 3, 100), (1, 4, 129))])
def test_boxes_outside_never_reach_the_store(tmp_path: Path, stored: TensorStoreSource, box: Box) -> None:
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(InvalidBox, match="not inside"):
        stored.read(box)
    with pytest.raises(InvalidBox, match="not inside"):
        stored.write(box, np.zeros(box.shape, np.uint16))
    assert not (tmp_path / "a").exists()


def test_a_source_must_fit_its_spec(stored: TensorStoreSource) -> None:
    store = stored._store
    with pytest.raises(InvalidInput, match="its spec"):
        TensorStoreSource(store, VolumeSpec.of(SHAPE, "uint16"), name="a", writable=False, metadata=stored._metadata)


def test_unwritten_chunks_read_as_fill(tmp_path: Path) -> None:
    source = make(str(tmp_path / "a"))
    assert not source.read(source.spec.domain).any()
    assert not (tmp_path / "a" / "c").exists()


@pytest.mark.parametrize("keep", [0, 5])
def test_a_truncated_chunk_is_corrupt(tmp_path: Path, stored: TensorStoreSource, keep: int) -> None:
    chunk = tmp_path / "a" / "c" / "1" / "0" / "2"
    chunk.write_bytes(chunk.read_bytes()[:keep])
    with pytest.raises(CorruptData, match="a/c/1/0/2"):
        stored.read(stored.spec.domain)
    with pytest.raises(CorruptData, match="a/c/1/0/2"):
        stored.write(Box((3, 3, 116), (4, 4, 117)), np.ones((1, 1, 1), np.uint16))
    assert stored.read(Box((-5, 3, 100), (3, 11, 116))).any()


def test_read_only(tmp_path: Path, stored: TensorStoreSource) -> None:
    source = make(str(tmp_path / "a"), writable=False, create=False)
    with pytest.raises(ReadOnly, match="mode='r\\+'"):
        source.write(source.spec.domain, np.zeros(SHAPE, np.uint16))


def test_opening_nothing_and_creating_over_something_fail(tmp_path: Path, stored: TensorStoreSource) -> None:
    with pytest.raises(NotFound):
        make(str(tmp_path / "none"), create=False)
    with pytest.raises(AlreadyExists):
        make(str(tmp_path / "a"))


def test_version_follows_the_metadata(tmp_path: Path, stored: TensorStoreSource) -> None:
    before = stored.version()
    assert before == make(str(tmp_path / "a"), create=False).version()
    assert not before.pinned
    file = tmp_path / "a" / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "attributes": {"done": True}}))
    assert stored.version() != before


def test_a_full_disk_is_an_error(tmp_path: Path, stored: TensorStoreSource) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(StoreError, match="a/c/"):
            stored.write(stored.spec.domain, np.ones(SHAPE, np.uint16))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


_WRITER = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_tensorstore import SHAPE, make
import numpy as np
source = make(sys.argv[1])
source.write(source.spec.domain, np.full(SHAPE, 7, np.uint16))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_written_voxels_survive_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "a"), str(Path(__file__).parent)]
    done = subprocess.run(command, env=os.environ, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    source = make(str(tmp_path / "a"), create=False)
    assert (source.read(source.spec.domain) == 7).all()


# http


class Server(ThreadingHTTPServer):
    """Serves a folder; `answers` are the next answers to requests for paths that end so."""

    answers: dict[str, list[int]]


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        for end, codes in self.server.answers.items():
            if self.path.endswith(end) and codes:
                self.send_response(codes.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        super().do_GET()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("VOXOME_RETRIES", "4")
    monkeypatch.setattr(tensorstore, "_SHARED", {})
    monkeypatch.setattr(tensorstore, "_DELAYS", {"initial_delay": "1ms", "max_delay": "5ms"})
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as found:
        found.answers = {}
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/a"


def test_http_reads(tmp_path: Path, stored: TensorStoreSource, values: NDArray[np.uint16], server: Server) -> None:
    (tmp_path / "a" / "c" / "0" / "0" / "0").unlink()
    values[:8, :8, :8] = 0
    source = make(url(server), writable=False, create=False)
    assert_array_equal(source.read(source.spec.domain), values)
    assert source.version() == make(url(server), writable=False, create=False).version()
    assert storage_path(Uri("zarr", url(server))).read("none") is None


def test_short_outages_are_survived(stored: TensorStoreSource, values: NDArray[np.uint16], server: Server) -> None:
    source = make(url(server), writable=False, create=False)
    server.answers = {"c/1/1/1": [503, 429], "c/0/0/0": [502], "c/0/1/0": [500]}
    assert_array_equal(source.read(source.spec.domain), values)


@pytest.mark.parametrize(
    ("code", "times", "kind"), [(403, 1, AccessDenied), (401, 1, AccessDenied), (500, 99, StoreError)]
)
def test_a_denied_chunk_is_not_a_missing_one(
    stored: TensorStoreSource, server: Server, code: int, times: int, kind: type[VoxomeError]
) -> None:
    source = make(url(server), writable=False, create=False)
    server.answers = {"c/1/1/1": [code] * times}
    with pytest.raises(kind, match=f"c/1/1/1.*{code}"):
        source.read(source.spec.domain)


@pytest.mark.parametrize("start", [2**63, -(2**80)])
def test_an_array_beyond_the_indices_of_tensorstore_is_damaged(start: int) -> None:
    with pytest.raises(CorruptData, match="beyond the indices"):
        reorder_axes(ts.array([1, 2, 3]), (0,), (start,))
