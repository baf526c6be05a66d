"""Memory of requests: many large bodies and cutouts at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from relay.serving import stored
from starlette.requests import Request

import voxome
from voxome.geometry import Box
from voxome.relay import http, memory
from voxome.relay.accounts import Accounts, Caller
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.s3 import errors as s3_errors
from voxome.relay.limits import Limits
from voxome.relay.memory import ChunkTooLarge, MemoryBudget, MemoryExhausted, hold, share
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.serve import in_thread
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.writes.journal import Journal

MIB = 2**20


def test_one_request_alone_may_hold_more_than_all() -> None:
    budget = MemoryBudget(10 * MIB)
    with budget.request():
        hold(30 * MIB)
    with budget.request():
        hold(8 * MIB)
        hold(5 * MIB)
        with budget.request():
            hold(2 * MIB)
            with pytest.raises(MemoryExhausted):
                hold(3 * MIB)
        with budget.request():
            hold(2 * MIB)
    hold(100 * MIB)  # outside of a request


def test_what_outlasts_its_request_keeps_its_share_until_it_ends_and_then_gets_nothing() -> None:
    budget = MemoryBudget(10 * MIB)
    with budget.request():
        context, release = copy_context(), share()
    context.run(hold, 6 * MIB)
    with budget.request():
        with pytest.raises(MemoryExhausted):
            hold(5 * MIB)
        release()
        with pytest.raises(MemoryExhausted, match="has ended"):
            context.run(hold, 2 * MIB)
        hold(5 * MIB)
        with budget.request():
            hold(5 * MIB)
    share()()  # outside of a request


class Held:
    """A source whose reads wait until they are let go."""

    def __init__(self) -> None:
        self.spec = voxome.VolumeSpec.of((8, 1024, 1024), "uint8")
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def read(self, box: voxome.Box) -> np.ndarray:
        self.begun.release()
        self.go.wait(100)
        return np.zeros(box.shape, "uint8")


@pytest.mark.slow
def test_a_cutout_for_which_there_is_no_memory_is_to_be_repeated() -> None:
    held, sources, catalogue = Held(), Sources(), MemoryCatalogue()
    sources.add("held", held)
    sources.add("free", stored(np.zeros((8, 1024, 1024), "uint8")), Rights(writers=frozenset({"public"})))
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
    app = create_app(open_dialects(relay, ["raw"]), limits=Limits(memory_mib=10))
    box = "cutout?box=0:8,0:1024,0:1024"
    with in_thread(app) as url, ThreadPoolExecutor() as pool:
        slow = pool.submit(httpx.get, f"{url}/raw/held/{box}", timeout=30)
        assert held.begun.acquire(timeout=100)
        refused = httpx.get(f"{url}/raw/free/{box}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        written = httpx.put(f"{url}/raw/free/{box}", content=bytes(8 * MIB))
        assert written.status_code == 503
        assert httpx.get(f"{url}/raw/free/cutout?box=0:1,0:1024,0:1024").status_code == 200
        held.go.set()
        assert slow.result().status_code == 200
        assert httpx.get(f"{url}/raw/free/{box}").status_code == 200


@dataclass
class Chunked:
    """A source with a large chunk."""

    spec: voxome.VolumeSpec

    def read(self, box: voxome.Box) -> np.ndarray:
        return np.zeros(box.shape, "uint8")


def test_a_read_counts_the_chunk_that_is_decoded_for_it() -> None:
    sources, budget = Sources(), MemoryBudget(8 * MIB)
    spec = voxome.VolumeSpec.of((8, 1024, 1024), "uint8", chunk=(8, 1024, 1024))
    sources.add("em", Chunked(spec))
    one = voxome.Box((0, 0, 0), (1, 1, 1))
    with budget.request():
        hold(2 * MIB)
        with budget.request(), pytest.raises(SourceUnavailable):
            sources.read("em", one)
    with budget.request():
        assert sources.read("em", one).size == 1


@pytest.mark.parametrize("chunks", [{"chunk": (32, 256, 256)}, {"chunk": (8, 64, 64), "write_chunk": (32, 512, 256)}])
def test_a_write_counts_the_copies_of_its_chunk_or_shard(chunks: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    sources, one = Sources(), Box.of_shape((1, 1, 1))
    uri = f"zarr://{tmp_path}/em.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((32, 256, 256), "uint8", **chunks))
    sources.add("em", uri, Rights(writers=frozenset({"lab"})))
    budget, voxel = MemoryBudget(10 * MIB), np.ones((1, 1, 1), "uint8")
    with budget.request():
        hold(3 * MIB)
        with budget.request():
            sources.write("em", one, voxel)
        hold(5 * MIB)
        with budget.request(), pytest.raises(SourceUnavailable):
            sources.write("em", one, voxel * 2)
    assert sources.read("em", one) == 1


@pytest.mark.parametrize("write_back", [False, True])
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((4, 4, 4), {"chunk": (4, 4, 4)}), ((4, 4, 4), {"chunk": (2, 2, 2), "write_chunk": (4, 4, 4)}),
     ((4, 4, 9), {"chunk": (2, 2, 2), "write_chunk": (4, 8, 4)})],
)  # fmt: skip
def test_nothing_is_written_into_chunks_or_shards_that_need_too_much_memory(
    shape: tuple[int, ...], chunks: dict[str, tuple[int, ...]], write_back: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    one, uri = Box.of_shape((1, 1, 1)), f"zarr://{tmp_path}/em.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(shape, "uint8", **chunks))
    with closing(Journal(tmp_path / "writes", 10 * MIB, 0)) as journal:
        sources = Sources(journal=journal)
        sources.add("em", uri, Rights(writers=frozenset({"lab"})), write_back=write_back)
        monkeypatch.setattr(memory, "LARGEST_WRITTEN_CHUNK_BYTES", 63)
        with pytest.raises(ChunkTooLarge, match="64 bytes; expected at most 63"):
            sources.write("em", one, np.ones((1, 1, 1), "uint8"))
        assert sources.read("em", one) == 0


def test_chunks_that_need_too_much_memory_have_status_413() -> None:
    request = Request({"type": "http", "method": "PUT", "path": "/", "headers": [], "query_string": b""})
    assert http.error_response(ChunkTooLarge("x"), request, Caller()).status_code == 413
    assert s3_errors.error_response(ChunkTooLarge("x"), request).status_code == 413
