from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.models.cards import Model, find, load
from voxome.models.infer import TILE, _align, _tiles, predict

DOMAIN = Box((3, -5, 7), (28, 36, 52))
MEAN, STD = 128.0, 33.0


@pytest.fixture(scope="module")
def model() -> Model:
    return find("membranes")


@pytest.fixture(scope="module")
def raw() -> NDArray[np.uint8]:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=DOMAIN.shape), 2.0)
    return np.clip(MEAN + STD * noise / noise.std(), 0, 255).astype(np.uint8)


def blockwise(raw: NDArray[np.uint8], model: Model, block: int, **options: Any) -> NDArray[np.uint8]:
    out = np.zeros((len(model.card.offsets), *DOMAIN.shape), np.uint8)
    for start in itertools.product(*(range(a, b, block) for a, b in zip(DOMAIN.start, DOMAIN.stop, strict=True))):
        write = Box.of_shape((block,) * 3, start) & DOMAIN
        read = write.grow(model.card.halo) & DOMAIN
        found = predict(raw[read.within(DOMAIN)], read, write, DOMAIN, model, mean=MEAN, std=STD, **options)
        out[(slice(None), *write.within(DOMAIN))] = found
    return out


@pytest.fixture(scope="module")
def whole(raw: NDArray[np.uint8], model: Model) -> NDArray[np.uint8]:
    return blockwise(raw, model, 64)


@pytest.mark.slow
@pytest.mark.parametrize("block", [32, 25])
def test_blocks_equal_a_single_pass(raw: NDArray[np.uint8], model: Model, whole: NDArray[np.uint8], block: int) -> None:
    assert np.array_equal(blockwise(raw, model, block), whole)


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "tile"), [(2, (64, 64, 64)), (1, (24, 20, 32))])
def test_threads_and_tiles_do_not_matter(
    raw: NDArray[np.uint8], model: Model, whole: NDArray[np.uint8], threads: int, tile: tuple[int, int, int]
) -> None:
    assert np.array_equal(blockwise(raw, model, 64, threads=threads, tile=tile), whole)


def test_the_output_is_not_trivial(whole: NDArray[np.uint8]) -> None:
    assert np.all(whole.reshape(len(whole), -1).std(axis=1) > 10)


@pytest.mark.slow
def test_linear_changes_of_contrast_go_into_the_statistics(
    raw: NDArray[np.uint8], model: Model, whole: NDArray[np.uint8]
) -> None:
    wide = raw.astype(np.uint16) * 16 + 5
    found = predict(wide, DOMAIN, DOMAIN, DOMAIN, model, mean=MEAN * 16 + 5, std=STD * 16)
    assert np.abs(found.astype(int) - whole).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 40)])
def test_tiny_domains(model: Model, shape: tuple[int, int, int]) -> None:
    domain = Box.of_shape(shape)
    found = predict(np.full(shape, 128, np.uint8), domain, domain, domain, model, mean=MEAN, std=STD)
    assert found.shape == (9, *shape)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Model:
    """A network that returns its input without the context."""
    onnx = pytest.importorskip("onnx", reason="networks are written with the extra voxome[train]")
    context = np.array((2, 3, 4))
    nodes = [onnx.helper.make_node("Slice", ["raw", "first", "last", "axes"], ["out"])]
    values = {"first": context, "last": -context, "axes": np.arange(2, 5)}
    shapes = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 1, *(f"{name}{axis}" for axis in "zyx")])
        for name in ("raw", "out")
    ]
    weights = [onnx.numpy_helper.from_array(value.astype(np.int64), name) for name, value in values.items()]
    graph = onnx.helper.make_graph(nodes, "identity", shapes[:1], shapes[1:], weights)
    path = tmp_path_factory.mktemp("identity") / "identity.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    changes = {"context": (2, 3, 4), "stride": (1, 1, 1), "offsets": (), "channels": ("grey",), "file": path.name}
    return Model(path, model.card.model_copy(update=changes))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 17])
def test_an_identity_network_returns_the_image_whatever_its_size(identity: Model, axis: int, size: int) -> None:
    shape = [10, 11, 12]
    shape[axis] = size
    domain = Box.of_shape(shape, (3, -5, 7))
    raw = np.random.default_rng(size).integers(0, 256, domain.shape).astype(np.uint8)
    found = np.zeros_like(raw)
    for start in itertools.product(*(range(a, b, 8) for a, b in zip(domain.start, domain.stop, strict=True))):
        write = Box.of_shape((8, 8, 8), start) & domain
        read = write.grow(identity.card.halo) & domain
        part = predict(raw[read.within(domain)], read, write, domain, identity, mean=0, std=255)
        found[write.within(domain)] = part[0]
    assert np.array_equal(found, raw)


def test_too_small_a_read_box_is_refused(raw: NDArray[np.uint8], model: Model) -> None:
    write = Box.of_shape((8, 8, 8), DOMAIN.start)
    with pytest.raises(InvalidInput, match="needs"):
        predict(raw[write.within(DOMAIN)], write, write, DOMAIN, model, mean=MEAN, std=STD)


@pytest.mark.parametrize(("std", "tile"), [(0.0, (64, 64, 64)), (STD, (64, 64, 30)), (STD, (8, 64, 64))])
def test_bad_options_are_refused(raw: NDArray[np.uint8], model: Model, std: float, tile: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInput):
        predict(raw, DOMAIN, DOMAIN, DOMAIN, model, mean=MEAN, std=std, tile=tile)


@pytest.mark.slow
def test_membranes_of_real_tissue(shared: Path) -> None:
    """Pairs across a border between neurons get low affinities, in sections kept out of training."""
    model = load(Path(__file__).parents[2] / "benchmarks" / "fib25-z0-99.json")
    h5py = pytest.importorskip("h5py")
    box = Box((100, 96, 96), (116, 144, 144))
    read = box.grow(model.card.halo)
    with h5py.File(shared / "data" / "fib25" / "fib25.h5") as file:
        domain = Box.of_shape(file["volumes/raw"].shape)
        raw = file["volumes/raw"][read.within(domain)]
        labels = file["volumes/labels/neuron_ids"][box.within(domain)]
    card = model.card
    found = predict(raw, read, box, domain, model, mean=card.contrast.mean, std=card.contrast.std)
    border = labels[1:] != labels[:-1]
    near = found[0, :-1]
    assert near[border].mean() < 0.25 * 255
    assert near[~border].mean() > 0.7 * 255


@pytest.mark.parametrize("block", [(64, 128, 128), (65, 129, 129), (32, 32, 32), (125, 250, 250), (3, 300, 20)])
def test_tiles_cover_on_the_lattice_and_are_bounded(block: tuple[int, int, int]) -> None:
    domain = Box.of_shape((150, 340, 280), (-7, 5, 0))
    write = Box.of_shape(block, (6, 21, 15))
    seen = np.zeros(domain.shape, np.uint8)
    for tile in _tiles(_align(write, domain, (4, 4, 4)), TILE, (4, 4, 4)):
        assert all((a - d) % 4 == 0 for a, d in zip(tile.start, domain.start, strict=True))
        assert all(16 <= n <= 1.25 * most for n, most in zip(tile.shape, TILE, strict=True))
        seen[tile.within(domain)] += 1
    assert seen[write.within(domain)].min() == 1
    assert seen.max() == 1


def test_a_block_and_its_margin_are_one_tile() -> None:
    domain = Box.of_shape((900, 900, 900))
    write = Box.of_shape((64, 128, 128), (64, 128, 128)).grow((1, 1, 1), (0, 0, 0))
    assert len(list(_tiles(_align(write, domain, (4, 4, 4)), TILE, (4, 4, 4)))) == 1
