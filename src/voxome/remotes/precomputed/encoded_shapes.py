"""Meshes and skeletons as the files of precomputed folders: legacy meshes, and skeletons with their radii."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from voxome.contracts.shapes import Mesh, Skeleton
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.layers import LEGACY_MESHES, SKELETONS
from voxome.remotes.precomputed.new_shapes import IDENTITY
from voxome.remotes.precomputed.skeleton_writer import RADII, encode_skeleton
from voxome.storage.json_store import to_json

_MOST = 2**64 - 1
_ID = r"(0|[1-9]\d{0,19})"
_MANIFEST, _FRAGMENT = ":0", ":0:0"


class LegacyMeshFiles:
    """A manifest and a fragment for each mesh."""

    def metadata(self) -> Mapping[str, bytes]:
        return {INFO: to_json({"@type": LEGACY_MESHES}, INFO)}

    def find(self, path: str) -> int | None:
        return _id_of(path, rf"(?:{_MANIFEST}|{_FRAGMENT})")

    def encode(self, path: str, shape: Mesh) -> bytes:
        if path.endswith(_FRAGMENT):
            return encode_ngmesh(shape)
        return json.dumps({"fragments": [f"{path.removesuffix(_MANIFEST)}{_FRAGMENT}"]}).encode()


class SkeletonFiles:
    """A file for each skeleton."""

    def metadata(self) -> Mapping[str, bytes]:
        return {INFO: to_json({"@type": SKELETONS, "transform": IDENTITY, "vertex_attributes": [RADII]}, INFO)}

    def find(self, path: str) -> int | None:
        return _id_of(path, "")

    def encode(self, path: str, shape: Skeleton) -> bytes:
        return encode_skeleton(int(path), replace(shape, attributes={}), [RADII])


def _id_of(path: str, suffix: str) -> int | None:
    match = re.fullmatch(_ID + suffix, path, re.ASCII)
    return int(match[1]) if match is not None and int(match[1]) <= _MOST else None
