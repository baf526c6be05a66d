"""``knossos://FOLDER``: cubes of 128 voxels a side, as KNOSSOS and old webKnossos keep them.

A folder has a ``knossos.conf`` (name, size, voxel size) and a file a cube,
``x0001/y0002/z0003/NAME_x0001_y0002_z0003.raw``, x fastest, which is black where there is no file. Folders ``mag1``,
``mag2``, … beside each other are the levels of a pyramid. ``?overlay=true`` is the segmentation of the same cubes:
64-bit labels, snappy-compressed in a zip. Facts from KNOSSOS' user documentation (https://knossos.app) and its files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np

from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.knossos.conf import CONF, Conf, magnifications
from voxome.remotes.knossos.source import KnossosPyramid
from voxome.remotes.spec_checks import refuse_options, refuse_what_is_lost
from voxome.storage.local import local_path, storing


class KnossosRemote:
    """Folders of KNOSSOS cubes."""

    def recognises(self, path: str) -> bool:
        return bool(magnifications(local_path(path)))

    def open(self, uri: Uri, *, mode: Mode = "r") -> KnossosPyramid:
        folder = local_path(uri.path)
        folders = magnifications(folder)
        if not folders:
            raise NotFound(f"{uri}: there is no {CONF} in {folder}, nor in a folder magN in it")
        return KnossosPyramid(folders, _wants_overlay(uri), mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        folder = local_path(uri.path)
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}")
        for place in (
            [folder] if magnifications(folder) else sorted(path for path in folder.iterdir() if magnifications(path))
        ):
            spec = self.open(Uri("knossos", str(place))).spec
            yield ResourceInfo(f"knossos://{place}", "volume", f"{spec.dtype} {spec.domain}")

    def create(self, uri: Uri, spec: VolumeSpec) -> KnossosPyramid:
        """Make a folder with ``mag1`` in it: uint8 images, or labels over them by ``?overlay=true``."""
        folder = local_path(uri.path)
        what = "KNOSSOS cubes"
        refuse_what_is_lost(what, spec, "offset_nm", "attributes", "axes")
        refuse_options(what, spec, ())
        overlay = _wants_overlay(uri)
        wanted = np.dtype("uint64" if overlay else "uint8")
        if spec.dtype != wanted or spec.domain.ndim != 3 or spec.fill:
            raise UnsupportedFormat(
                f"{uri}: {what} hold three axes of uint8 images, or of uint64 labels by ?overlay=true, and "
                f"0 where nothing was written; not {spec.domain.ndim} axes of {spec.dtype} filled with {spec.fill}"
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise AlreadyExists(f"something is at {uri} already; choose another path, or delete it")
        with storing(folder):
            (folder / "mag1").mkdir(parents=True)
        z, y, x = spec.frame.shape
        Conf(folder / "mag1", f"{folder.name}_mag1", (z, y, x), spec.voxel_size_nm).write(1)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        folder = local_path(uri.path)
        if not magnifications(folder):
            raise NotFound(f"{uri} is no folder of KNOSSOS cubes: nothing was removed")
        with storing(folder):
            shutil.rmtree(folder)


def _wants_overlay(uri: Uri) -> bool:
    asked = uri.query.get("overlay", "false")
    if asked not in ("true", "false"):
        raise InvalidInput(f"{uri}: overlay is true or false, not {asked!r}")
    return asked == "true"
