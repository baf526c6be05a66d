"""Versions of inputs: which are known to change with any voxel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.contracts.abilities import SupportsVoxelVersion, ability
from voxome.contracts.handle import Handle
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.kinds import Image
from voxome.kinds.versions import pinned_volume
from voxome.resources.open import open_source

SCHEMES = ("zarr", "n5", "precomputed", "knossos", "hdf5", "images")
SPEC = VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(8.0, 4.0, 4.0))


class Wrapper:
    """A source that passes on the abilities of another one, unless it forgets its version of voxels."""

    def __init__(self, source: VolumeSource, *, forgets: bool) -> None:
        self._source, self._forgets = source, forgets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def ability(self, protocol: type[Any]) -> Any:
        return None if self._forgets and protocol is SupportsVoxelVersion else ability(self._source, protocol)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_versions_of_local_files_cover_their_voxels(scheme: str, tmp_path: Path) -> None:
    volume = voxome.create(f"{scheme}://{tmp_path}/v{'.h5' if scheme == 'hdf5' else ''}", SPEC)
    for uri in (volume.uri, f"{volume.uri}?window=0:9"):
        handle = Image().locate(Handle("volume", str(uri)))
        assert handle.key
        assert not handle.unpinned


def test_a_source_that_does_not_say_that_its_version_covers_its_voxels_is_unpinned(tmp_path: Path) -> None:
    uri = voxome.create(f"zarr://{tmp_path}/v", SPEC).uri
    handle = Handle("volume", str(uri))
    for forgets in (False, True):
        assert pinned_volume(handle, Wrapper(open_source(uri), forgets=forgets)).unpinned is forgets
