from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs the extra voxome[train]")

from torch import Tensor  # noqa: E402

from voxome.models.train.networks.config import Truth  # noqa: E402
from voxome.models.train.networks.data import UNKNOWN, from_arrays  # noqa: E402
from voxome.models.train.networks.targets import NEAR, Affinities, Objects, affinities, edges  # noqa: E402
from voxome.models.train.networks.validate import _labels  # noqa: E402

pytestmark = pytest.mark.slow

DENSE = Truth(raw="r", labels="l")
SPARSE = Truth(raw="r", labels="l", kind="sparse", background=2)


def padded(labels: Tensor) -> Tensor:
    """Labels with a voxel that is not annotated on every side."""
    return torch.nn.functional.pad(labels, (1,) * 6, value=UNKNOWN)


def test_affinities_against_their_definition() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(-1, 3, (5, 6, 5)), 3, axis=2)[:, :, :8].astype(np.float32)
    labels = np.pad(labels, ((0, 2), (0, 2), (0, 0)), constant_values=1)
    offsets, out = ((1, 0, 0), (0, 3, 0), (0, 0, 2)), (4, 5, 6)
    target, mask = affinities(torch.from_numpy(labels), offsets, out)
    edge = edges(torch.from_numpy(labels), objects_only=True).numpy()
    for k, offset in enumerate(offsets):
        for p in np.ndindex(*out):
            q = tuple(a + b for a, b in zip(p, offset, strict=True))
            known = labels[p] >= 0 and labels[q] >= 0
            same = labels[p] == labels[q] > 0 and not (sum(offset) == 1 and (edge[p] or edge[q]))
            assert bool(mask[k][p]) == known
            if known:
                assert bool(target[k][p]) == same


def test_label_0_is_no_object_of_affinities() -> None:
    assert Affinities().encode(np.array([[[0, 70, 7]]]), DENSE).tolist() == [[[UNKNOWN, 2, 1]]]


def test_label_0_is_the_boundary_between_objects_if_you_say_so() -> None:
    bounded = DENSE.model_copy(update={"zero_is_boundary": True})
    labels = Affinities().encode(np.array([[[7, 7, 0, 70, 70, 70]]]), bounded)
    assert labels.tolist() == [[[1, 1, 0, 2, 2, 2]]]
    padding = torch.nn.functional.pad(torch.from_numpy(labels).float(), (1, 2, 1, 1, 1, 1), value=UNKNOWN)
    target, mask = affinities(padding, ((0, 0, 1), (0, 0, 2)), (1, 1, 6), (1, 1, 1))
    assert target[0, 0, 0, :5].tolist() == [1, 0, 0, 1, 1]
    assert target[1, 0, 0, :4].tolist() == [0, 0, 0, 1]
    assert mask[0, 0, 0].tolist() == [1, 1, 1, 1, 1, 0]


def test_label_0_is_background_of_dense_labels() -> None:
    assert Objects("cell").encode(np.array([[[0, 70, 7]]]), DENSE).tolist() == [[[0, 2, 1]]]
    assert Objects("cell").encode(np.array([[[70, 7]]]), DENSE).tolist() == [[[2, 1]]]


def test_label_0_is_not_annotated_in_sparse_labels() -> None:
    assert Objects("cell").encode(np.array([[[0, 70, 2, 1]]]), SPARSE).tolist() == [[[UNKNOWN, 2, 0, 1]]]


@pytest.mark.parametrize(("unlabelled", "dtype"), [(-1, np.int8), (-1, np.int64), (2**64 - 1, np.uint64)])
def test_voxels_that_are_not_labelled_are_unknown_in_all_targets(unlabelled: int, dtype: type) -> None:
    labels: NDArray[Any] = np.array([[[0, 70, unlabelled, 2, 7]]], dtype)
    assert Objects("cell").encode(labels, DENSE).tolist() == [[[0, 3, UNKNOWN, 1, 2]]]
    assert Objects("cell").encode(labels, SPARSE).tolist() == [[[UNKNOWN, 2, UNKNOWN, 0, 1]]]
    assert Affinities().encode(labels, DENSE).tolist() == [[[UNKNOWN, 3, UNKNOWN, 1, 2]]]


def test_touching_objects_are_apart() -> None:
    labels = torch.tensor([[[0.0, 1, 1, 1, 2, 2, 0]]])
    target, mask = Objects("cell").compute(padded(labels), (1, 1, 7))
    assert target[0, 0, 0].tolist() == [0, 1, 1, 0, 0, 1, 0]
    assert mask.all()
    assert Objects("vessel", apart=False).compute(labels, (1, 1, 7))[0][0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_boundaries_are_those_of_objects() -> None:
    labels = torch.tensor([[[0.0, 1, 1, 1, 2, 2, 0, UNKNOWN]]])
    target, mask = Objects("nucleus", boundary=True).compute(padded(labels), (1, 1, 8))
    assert target[1, 0, 0].tolist() == [0, 1, 0, 1, 1, 1, 0, 0]
    assert mask[1, 0, 0].tolist() == [1, 1, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("tile", [(2, 4, 5), (7, 3, 8)])
@pytest.mark.parametrize(
    "targets",
    [
        Objects("cell"),
        Objects("nucleus", boundary=True),
        Objects("vessel", apart=False),
        Affinities(NEAR),
        Affinities(((0, 1, 0), (2, 0, 3))),
        Affinities(((2, 0, 0), (0, 3, 0))),
    ],
    ids=str,
)
def test_targets_of_tiles_are_those_of_the_whole(
    targets: Objects | Affinities, tile: tuple[int, int, int], dimensions: int
) -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(-1, 4, (4, 5, 4)), np.ones((3, 2, 3), np.int64))
    raw = rng.integers(0, 255, labels.shape).astype(np.uint8)
    volume, targets = from_arrays(raw, labels), replace(targets, dimensions=dimensions)
    shape = labels.shape
    whole = targets.compute(_labels(volume, (0, 0, 0), shape, targets.margins), shape)
    for at in itertools.product(*(range(0, n, step) for n, step in zip(shape, tile, strict=True))):
        parts = targets.compute(_labels(volume, at, tile, targets.margins), tile)
        for one, other in zip(whole, parts, strict=True):
            part = one[(slice(None), *(slice(a, a + n) for a, n in zip(at, tile, strict=True)))]
            assert torch.equal(part, other[tuple(slice(n) for n in part.shape)])


def test_sections_apart_have_no_edges_between_them() -> None:
    labels = torch.tensor([[[1.0, 1]], [[2, 2]], [[2, 3]]])
    target, _ = Objects("cell", dimensions=2).compute(torch.nn.functional.pad(labels, (1, 1, 1, 1)), (3, 1, 2))
    assert target[0, :, 0].tolist() == [[1, 1], [1, 1], [0, 0]]
