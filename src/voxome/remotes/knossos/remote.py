"""``knossos://FOLDER``: cubes of 128 voxels a side, as KNOSSOS and old webKnossos store them.

A folder has a ``knossos.conf`` (name, size, voxel size) and one file per cube,
``x0001/y0002/z0003/NAME_x0001_y0002_z0003.raw``, x fastest; a missing cube is black. Folders ``mag1``,
``mag2``, … beside each other are the levels of a pyramid. ``?overlay=true`` is the segmentation of the same cubes:
64-bit labels, snappy-compressed in a zip. Facts from KNOSSOS' user documentation (https://knossos.app) and its files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from voxome.contracts.listing import volume_entry
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.knossos.conf import CONF, Conf, magnifications
from voxome.remotes.knossos.source import KnossosPyramid
from voxome.remotes.spec_checks import parse_options, require_storable
from voxome.storage.atomic import storing


class KnossosRemote:
    """Folders of KNOSSOS cubes."""

    uri_options = ("overlay",)
    signature = "KNOSSOS cubes (knossos.conf)"

    def recognises(self, path: Path) -> bool:
        return bool(magnifications(path))

    def open(self, uri: Uri, *, mode: Mode = "r") -> KnossosPyramid:
        folder = uri.local_path
        folders = magnifications(folder)
        if not folders:
            raise NotFound(f"{uri}: neither {folder} nor a folder magN in it has a {CONF}")
        return KnossosPyramid(folders, _is_overlay(uri), mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        folder = uri.local_path
        if not folder.is_dir():
            raise NotFound(f"{folder} is not a folder")
        inside = [folder] if magnifications(folder) else sorted(p for p in folder.iterdir() if magnifications(p))
        for path in inside:
            at = Uri("knossos", str(path))
            yield volume_entry(str(at), partial(self._spec_of, at))

    def _spec_of(self, uri: Uri) -> VolumeSpec:
        return self.open(uri).spec

    def create(self, uri: Uri, spec: VolumeSpec) -> KnossosPyramid:
        """Create a folder with ``mag1`` in it: uint8 images, or labels over them by ``?overlay=true``."""
        folder = uri.local_path
        require_storable("KNOSSOS cubes", spec, "offset_nm", "attributes", "axes")
        parse_options("KNOSSOS cubes", spec, ())
        overlay = _is_overlay(uri)
        dtype = np.dtype("uint64" if overlay else "uint8")
        if spec.dtype != dtype or spec.domain.ndim != 3 or spec.fill:
            raise UnsupportedFormat(
                f"{uri}: KNOSSOS cubes store three axes of uint8 images, or of uint64 labels with ?overlay=true, and "
                f"a fill of 0; not {spec.domain.ndim} axes of {spec.dtype} with a fill of {spec.fill}"
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise AlreadyExists(f"{uri} exists; choose another path, or delete it")
        with storing(folder):
            (folder / "mag1").mkdir(parents=True)
        z, y, x = spec.frame.shape
        Conf(folder / "mag1", f"{folder.name}_mag1", (z, y, x), spec.voxel_size_nm).write(1)
        return self.open(uri, mode="r+")

    def own_files(self, uri: Uri) -> str:
        folder = uri.local_path
        found = magnifications(folder).values()
        return "|".join(f"{'' if one == folder else f'{one.name}/'}({Conf.read(one).own_files})" for one in found)

    def delete(self, uri: Uri) -> None:
        folder = uri.local_path
        if not magnifications(folder):
            raise NotFound(f"{uri} is not a folder of KNOSSOS cubes: nothing was removed")
        with storing(folder):
            shutil.rmtree(folder)


def _is_overlay(uri: Uri) -> bool:
    overlay = uri.query.get("overlay", "false")
    if overlay not in ("true", "false"):
        raise InvalidInput(f"{uri}: overlay should be true or false, not {overlay!r}")
    return overlay == "true"
