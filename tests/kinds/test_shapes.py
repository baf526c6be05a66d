from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from voxome import kinds
from voxome.contracts.id_groups import group_of
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.uri import Uri
from voxome.errors import UnknownName, UnsupportedFormat
from voxome.geometry.grid import Block
from voxome.kinds.shapes import split_options
from voxome.resources.open import open
from voxome.testing.kind import KindContract


def ids_of(block: Block) -> list[int]:
    ids = np.arange(1, 40, dtype=np.uint64)
    return ids[group_of(ids, 8) == block.index].tolist()


class ShapesContract(KindContract):
    scope = "groups"

    def content(self, uri: str) -> Any:
        shapes = open(uri)
        return {id: self.points(shapes[id]).tolist() for id in shapes.ids().tolist()}

    def points(self, shape: Any) -> np.ndarray:
        raise NotImplementedError

    def test_all_shapes_are_there(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        shapes = open(target.uri)
        assert shapes.ids().tolist() == list(range(1, 40))
        assert self.points(shapes[7]).max(axis=0).tolist() == [8, 8, 7]

    def test_an_unknown_option_is_refused_before_anything_is_written(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        wrong = replace(target, uri=target.uri + "?shardes=true")
        with pytest.raises(UnknownName, match="sharded"):
            kind.prepare(wrong)

    def test_a_store_without_shapes_is_refused(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        with pytest.raises(UnsupportedFormat, match="does not store"):
            kind.prepare(replace(target, uri=target.uri.replace("precomputed://", "zarr://")))


class TestMeshes(ShapesContract):
    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Meshes()

    def value(self, block: Block) -> object:
        faces = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]
        return ((id, [Mesh([[0, 0, 0], [8, 0, 0], [0, 8, 0], [0, 0, id]], faces)]) for id in ids_of(block))

    def points(self, shape: Any) -> np.ndarray:
        return np.asarray(shape.vertices_nm)


class TestSkeletons(ShapesContract):
    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Skeletons()

    def value(self, block: Block) -> object:
        return ((id, Skeleton([[0, 0, 0], [8, 8, id]], [[0, 1]], [1, 2])) for id in ids_of(block))

    def points(self, shape: Any) -> np.ndarray:
        return np.asarray(shape.nodes_nm)


def test_options_of_the_format_are_not_of_the_storage():
    plain, options = split_options(Uri.parse("precomputed://s3://bucket/mesh?region=eu-west-1&format=legacy"))
    assert str(plain) == "precomputed://s3://bucket/mesh?region=eu-west-1"
    assert options == {"format": "legacy"}
