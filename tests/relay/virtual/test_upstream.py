"""Virtual layers: equal to the arrays of runs, computed once, never older than what they are computed from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from relay.cache.caches import SHAPE, WHOLE, Store, open_cache
from relay.serving import pyramid, stored
from relay.virtual.tools import installed
from scipy import ndimage

import voxome
from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.errors import CorruptData, InvalidInput, NotFound, ReadOnly, StoreError
from voxome.geometry import Box
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.caching import Caching
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe
from voxome.relay.virtual.slots import ComputeSlots
from voxome.resources.open import open_source
from voxome.testing.strategies import noise

DATA = noise(SHAPE, "uint8")
WRITERS = Rights(writers=frozenset({"lab"}))
OVER = Recipe("common.threshold", {"": "em"}, {"at": 100})
SMOOTH = Recipe("lab.smooth", {"": "em"})


@pytest.fixture(autouse=True)
def tools() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture(params=["no cache", "memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChunkCache | None]:
    if request.param == "no cache":
        yield None
        return
    opened = open_cache(tmp_path / "cache" if request.param == "disk" else None)
    yield opened
    opened.close()


def over(voxels: NDArray[Any], at: float = 100) -> NDArray[np.uint8]:
    return np.where(voxels > at, np.uint8(255), np.uint8(0))


def smooth(voxels: NDArray[Any], radius: int = 2) -> NDArray[np.uint8]:
    return ndimage.maximum_filter(voxels, 2 * radius + 1)


@pytest.mark.slow
def test_a_layer_is_equal_to_the_array_of_a_run_whatever_is_read_first(
    cache: ChunkCache | None, tmp_path: Path
) -> None:
    uri = f"zarr://{tmp_path}/em.zarr"
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(16, 32, 32), start=(5, 6, 7), voxel_size_nm=(40, 4, 4))
    voxome.create(uri, spec)[...] = DATA
    run = {"image": uri, "radius": 3}
    handles = voxome.tool("lab.smooth", run, out=tmp_path / "run", block=(32, 32, 32), engine="sequential")
    expected = voxome.open(handles["result"].uri)
    sources = Sources(cache)
    sources.add("em", uri)
    sources.add_virtual("smooth", Recipe("lab.smooth", {"image": "em"}, {"radius": 3}))
    seen = sources.spec("smooth")
    for field in ("domain", "dtype", "axes", "kind", "voxel_size_nm", "offset_nm"):
        assert getattr(seen, field) == getattr(expected.spec, field)
    middle = Box((20, 30, 40), (45, 71, 80))
    assert_array_equal(sources.read("smooth", middle), expected[...][middle.within(seen.domain)])
    assert_array_equal(sources.read("smooth", seen.domain), expected[...])


def test_layers_over_layers_show_a_write_at_once(cache: ChunkCache | None) -> None:
    sources, voxels = Sources(cache), DATA.copy()
    sources.add("em", stored(DATA, chunk=(16, 16, 16)), WRITERS)
    sources.add_virtual("over", OVER)
    sources.add_virtual("near", Recipe("lab.smooth", {"": "over"}, {"radius": 1}))
    names = {
        "over": lambda: over(voxels),
        "near": lambda: smooth(over(voxels), 1),
        "over;at=7": lambda: over(voxels, 7),
    }
    for name, expected in names.items():
        assert_array_equal(sources.read(name, WHOLE), expected())
    before = {name: sources.version(name) for name in names}
    box = Box((10, 10, 10), (20, 20, 20))
    voxels[box.within(WHOLE)] = 255
    sources.write("em", box, np.full(box.shape, 255, "uint8"))
    for name, expected in names.items():
        assert_array_equal(sources.read(name, WHOLE), expected())
        assert sources.version(name) != before[name]


@pytest.mark.slow
def test_a_write_computes_only_the_chunks_again_whose_halo_it_touches() -> None:
    sources = Sources(open_cache())
    sources.add("em", stored(np.zeros((32, 400, 400), "uint8"), chunk=(32, 100, 100)), WRITERS)
    sources.add_virtual("smooth", SMOOTH)
    whole = Box.of_shape((32, 400, 400))
    sources.read("smooth", whole)
    assert counts(sources, "smooth")["misses"] == 16
    sources.write("em", Box((0, 0, 0), (1, 1, 1)), np.full((1, 1, 1), 9, "uint8"))
    assert sources.read("smooth", whole)[:3, :3, :3].all()
    assert counts(sources, "smooth")["misses"] == 17


def counts(sources: Sources, name: str) -> SourceCounters:
    return sources.counters(name)


def test_a_write_during_the_computation_is_never_missed() -> None:
    store, cache = Store(), open_cache()
    begun, written = Event(), Event()
    sources = Sources(cache)
    sources.add("em", store, WRITERS)
    sources.add_virtual("over", OVER)

    def wait() -> None:
        store.after_read = lambda: None
        begun.set()
        written.wait(100)

    sources.spec("over")
    store.after_read = wait
    reader = Thread(target=lambda: sources.read("over", WHOLE))
    reader.start()
    assert begun.wait(100)
    sources.write("em", Box((0, 0, 0), (9, 9, 9)), np.full((9, 9, 9), 255, "uint8"))
    written.set()
    reader.join(100)
    assert sources.read("over", WHOLE)[:9, :9, :9].all()
    cache.close()


def test_a_source_that_is_replaced_is_seen_after_its_check() -> None:
    store = Store()
    sources = Sources(open_cache())
    sources.add("em", store, caching=Caching(True, ttl_s=1e-6))
    sources.add_virtual("over", OVER)
    assert_array_equal(sources.read("over", WHOLE), over(store.voxels))
    store.voxels = noise((7, 8, 9), "uint16")
    store.spec, store.token = voxome.VolumeSpec.of((7, 8, 9), "uint16"), "second"
    assert sources.spec("over").domain == Box.of_shape((7, 8, 9))
    assert_array_equal(sources.read("over", Box.of_shape((7, 8, 9))), over(store.voxels))


@pytest.mark.parametrize("moment", range(1, 6))
def test_a_layer_has_nothing_of_an_input_that_is_replaced_while_it_is_opened(moment: int) -> None:
    def spec(size: int) -> voxome.VolumeSpec:
        return voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(64, 64, 64), voxel_size_nm=(size, 4, 4))

    store = Store()
    store.spec, store.covers_voxels = spec(8), True
    sources = Sources(open_cache())
    sources.add("em", store, caching=Caching(True, ttl_s=1e-6))
    sources.add_virtual("size", Recipe("lab.size", {"": "em"}))
    assert sources.read("size", WHOLE).max() == 8
    count = 0

    def replace_at_the_moment() -> None:
        nonlocal count
        count += 1
        if count == moment:
            store.spec, store.token = spec(40), "second"

    store.check = replace_at_the_moment
    while count < moment:
        sources.read("size", WHOLE)
    assert set(np.unique(sources.read("size", WHOLE))) == {40}


def test_voxels_that_somebody_else_has_changed_are_computed_again() -> None:
    store = Store()
    sources = Sources(open_cache())
    sources.add("em", store, caching=Caching(True, ttl_s=1e-6))
    sources.add_virtual("over", OVER)
    assert_array_equal(sources.read("over", WHOLE), over(store.voxels))
    store.voxels = 255 - store.voxels
    assert_array_equal(sources.read("over", WHOLE), over(store.voxels))


@pytest.mark.parametrize("error", [StoreError("down"), CorruptData("garbage"), TimeoutError("late")])
def test_trouble_upstream_is_never_taken_for_voxels(error: Exception) -> None:
    store = Store(noise((32, 32, 32), "uint8"))
    whole = store.spec.domain
    sources = Sources(open_cache())
    sources.add("em", store, caching=Caching(True))
    sources.add_virtual("over", OVER)
    sources.spec("over")

    def fail() -> None:
        raise error

    store.before_read = fail
    for _ in range(2):
        with pytest.raises(SourceUnavailable, match="over"):
            sources.read("over", whole)
    store.before_read = lambda: None
    assert_array_equal(sources.read("over", whole), over(store.voxels))


def test_what_is_computed_from_stale_chunks_is_not_kept_as_fresh() -> None:
    store = Store()
    sources = Sources(open_cache())
    sources.add("em", store, caching=Caching(True, ttl_s=1e-6, stale_s=1e6))
    sources.add_virtual("over", OVER)
    old = sources.read("em", WHOLE)

    def fail() -> None:
        raise StoreError("down")

    store.before_read = fail
    assert_array_equal(sources.read("over", WHOLE), over(old))
    sources._upstreams["em"]._checks.caching = Caching(True, ttl_s=1e6)  # no later epoch
    assert_array_equal(sources.read("over", WHOLE), over(old))
    store.before_read, store.voxels = lambda: None, 255 - store.voxels
    sources.read("em", WHOLE)  # by which it becomes known that the store is back
    assert_array_equal(sources.read("over", WHOLE), over(store.voxels))


@pytest.mark.slow
def test_an_error_of_the_tool_has_a_reason_and_is_not_kept() -> None:
    failing = [True]

    @tool("lab.frail", outputs=kinds.Image("uint8"))
    def frail(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
        if failing:
            raise SystemExit("secret path /data/x")
        return image.copy()

    with installed(frail):
        sources = Sources(open_cache())
        sources.add("em", Store())
        sources.add_virtual("frail", Recipe("lab.frail", {"": "em"}))
        with pytest.raises(SourceUnavailable, match=r"lab\.frail failed there \(SystemExit\)") as raised:
            sources.read("frail", WHOLE)
        assert "secret" not in str(raised.value)
        assert "secret" in str(raised.value.__cause__)
        failing.clear()
        with suppress(SourceUnavailable):  # of a chunk that had begun before
            sources.read("frail", WHOLE)
        assert_array_equal(sources.read("frail", WHOLE), DATA)


@pytest.mark.parametrize("shape", [(1, 1, 1), SHAPE])
def test_a_result_of_another_shape_or_type_is_an_error(shape: tuple[int, ...]) -> None:
    @tool("lab.wrong", outputs=kinds.Image("uint8"))
    def wrong(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
        return np.zeros(shape, "uint16")

    with installed(wrong):
        sources = Sources()
        sources.add("em", stored(DATA))
        sources.add_virtual("wrong", Recipe("lab.wrong", {"": "em"}))
        with pytest.raises(SourceUnavailable, match=r"lab\.wrong failed"):
            sources.read("wrong", WHOLE)


def test_a_tool_may_change_its_arrays() -> None:
    @tool("lab.invert", outputs=kinds.Image("uint8"))
    def invert(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
        return np.subtract(255, image, out=image)

    with installed(invert):
        sources = Sources(open_cache())
        sources.add("em", Store(), caching=Caching(True))
        sources.add_virtual("inverted", Recipe("lab.invert", {"": "em"}))
        assert_array_equal(sources.read("inverted", WHOLE), 255 - DATA)
        assert_array_equal(sources.read("em", WHOLE), DATA)


def test_a_chunk_is_computed_once_for_all_who_wait() -> None:
    calls, begun, all_wait = [], Event(), Event()

    @tool("lab.slow", outputs=kinds.Image("uint8"))
    def slow(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
        calls.append(1)
        begun.set()
        all_wait.wait(100)
        return image

    with installed(slow):
        sources = Sources(open_cache())
        sources.add("em", stored(DATA[:20, :20, :20]))
        sources.add_virtual("slow", Recipe("lab.slow", {"": "em"}))
        readers = [Thread(target=sources.read, args=("slow", Box.of_shape((20, 20, 20)))) for _ in range(4)]
        for reader in readers:
            reader.start()
        assert begun.wait(100)
        all_wait.set()
        for reader in readers:
            reader.join(100)
    assert calls == [1]


def test_several_inputs_share_the_voxels_that_all_have() -> None:
    mask = np.zeros((70, 60, 90), "uint8")
    mask[10:30, 10:30, 10:30] = 1
    sources = Sources(open_cache())
    sources.add("em", stored(DATA, voxel_size_nm=(10, 10, 10)))
    sources.add("mask", stored(mask, voxel_size_nm=(10, 10, 10)))
    inputs = {"image": "em", "mask": "mask"}
    sources.add_virtual("masked", Recipe("lab.share", inputs, {"at": 0.25}, "over"))
    shared = Box.of_shape((60, 60, 80))
    assert sources.spec("masked").domain == shared
    expected = (DATA[:, :60] > 255 * 0.25) & (mask[:60, :, :80] > 0)
    assert_array_equal(sources.read("masked", shared), expected)
    assert_array_equal(
        sources.read("masked;invert=true", shared), (DATA[:, :60] <= 255 * 0.25) & (mask[:60, :, :80] > 0)
    )


def test_a_voxelwise_tool_has_the_levels_of_its_input_and_others_have_one(tmp_path: Path) -> None:
    sources = Sources(open_cache())
    sources.add("em", pyramid(f"zarr://{tmp_path}/em.zarr", DATA, voxel_size_nm=(40, 4, 4)))
    sources.add_virtual("over", OVER)
    sources.add_virtual("over2", Recipe("common.threshold", {"": "over"}, {"at": 1}))
    sources.add_virtual("smooth", SMOOTH)
    sources.add_virtual("depth", Recipe("lab.depth", {"": "em"}))
    assert {name: sources.level_count(name) for name in sources} == {
        "em": 2, "over": 2, "over2": 2, "smooth": 1, "depth": 1,
    }  # fmt: skip
    coarse = sources.spec("em", level=1)
    assert sources.spec("over", level=1).voxel_size_nm == coarse.voxel_size_nm == (40, 8, 8)
    assert_array_equal(sources.read("over2", coarse.domain, level=1), over(sources.read("em", coarse.domain, level=1)))
    with pytest.raises(NotFound, match="level 1"):
        sources.spec("smooth", level=1)


def test_booleans_and_fractions_are_seen_as_in_a_run(tmp_path: Path) -> None:
    fractions = noise((20, 20, 20), "uint8").astype("float32") / np.float32(255)
    sources = Sources(open_cache())
    sources.add("mask", stored(fractions > 0.3))
    sources.add_virtual("over", Recipe("lab.share", {"": "mask"}, {"at": 0.9}, "over"))
    assert_array_equal(sources.read("over", Box.of_shape((20, 20, 20))), fractions > 0.3)


@pytest.mark.slow
def test_outputs_with_channels_and_of_coarser_voxels_are_served(tmp_path: Path) -> None:
    uri = stored(DATA, voxel_size_nm=(10, 10, 10))
    handles = voxome.tool("common.downsample", {"image": uri}, out=tmp_path, block=(16, 16, 16), engine="sequential")
    expected = open_source(handles["result"].uri)
    sources = Sources(open_cache())
    sources.add("em", uri)
    sources.add_virtual("half", Recipe("common.downsample", {"": "em"}))
    assert sources.spec("half").domain == expected.spec.domain
    assert sources.spec("half").offset_nm == expected.spec.offset_nm
    assert_array_equal(sources.read("half", expected.spec.domain), expected.read(expected.spec.domain))


def test_a_layer_that_does_not_fit_its_input_says_so_in_the_log_only() -> None:
    sources = Sources()
    sources.add("em", stored(DATA.astype("float32")))
    sources.add_virtual("share", Recipe("lab.share", {"": "em"}, output="over"))
    with pytest.raises(SourceUnavailable, match="cannot be opened") as raised:
        sources.spec("share")
    assert "must be uint8" in str(raised.value.__cause__)
    with pytest.raises(InvalidInput, match="must be uint8"):
        sources.check_local_layers()


def test_blocks_fit_the_memory_there_is() -> None:
    sources = Sources(slots=ComputeSlots(1, 160_000_000))
    sources.add("em", stored(DATA))
    sources.add_virtual("smooth", SMOOTH)
    sources.add_virtual("smoother", Recipe("lab.smooth", {"": "em"}, {"radius": 50}))
    assert sources.spec("smooth").read_chunk < (64, 128, 128)
    assert_array_equal(sources.read("smooth", WHOLE), smooth(DATA))
    small = Sources(slots=ComputeSlots(1, 100_000_000))
    small.add("em", stored(DATA))
    small.add_virtual("smooth", SMOOTH)
    with pytest.raises(InvalidInput, match="compute_memory_mib"):
        small.check_local_layers()


def test_a_layer_is_read_only_and_has_the_rights_of_all_its_inputs() -> None:
    sources = Sources()
    sources.add("em", stored(DATA), Rights(frozenset({"a", "b"})))
    sources.add("mask", stored(DATA), Rights(frozenset({"b", "c"})))
    sources.add("other", stored(DATA), Rights(frozenset({"d"})))
    sources.add("open", stored(DATA))
    inputs = {"image": "em", "mask": "mask"}
    sources.add_virtual("both", Recipe("lab.share", inputs, output="over"))
    assert sources.rights("both;at=1") == Rights(frozenset({"b"}))
    sources.add_virtual("published", Recipe("lab.share", inputs, output="over"), PUBLIC_READ)
    assert sources.rights("published") == PUBLIC_READ
    with pytest.raises(InvalidInput, match="readers"):
        sources.add_virtual("none", Recipe("lab.share", {**inputs, "mask": "other"}, output="over"))
    with pytest.raises(InvalidInput, match="writers"):
        sources.add_virtual("w", OVER, WRITERS)
    with pytest.raises(ReadOnly):
        sources.write("both", Box((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1), "uint8"))
