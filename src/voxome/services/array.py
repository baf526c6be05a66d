"""``voxome.array``: a volume with the arguments and attributes of ``intern.array`` 1.4.2.

Names are those of intern; the array itself is a `Volume`, which is indexed as numpy arrays are. Lengths and shapes are
in the order of the axes, so that `voxel_size` is z, y, x where intern gives x, y, z.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.calls import explain_calls, explain_construction
from voxome.contracts.abilities import SupportsPage, ability
from voxome.contracts.arguments import (
    require_count,
    require_flags,
    require_indices,
    require_lengths,
    require_path,
    require_text,
)
from voxome.contracts.spec import VolumeSpec, parse_dtype
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput, UnsupportedFormat, describe_value
from voxome.geometry.units import nm_per
from voxome.resources.create import create
from voxome.resources.indexing import Key
from voxome.resources.open import open
from voxome.resources.transposed import Transposed
from voxome.resources.volume import Volume
from voxome.services.verbs import put

_IMAGES = (np.uint8, np.uint16)
"""Data types of image channels in intern; all others are annotations."""
_VIEWER = "https://neuroglancer.bossdb.io/#!"
_VIEWED = ("precomputed", "zarr", "n5")
"""Formats that Neuroglancer opens."""
_ELSEWHERE = {
    "volume_provider": "the URI names the store, as bossdb://https://HOST/COLLECTION/EXPERIMENT/CHANNEL",
    "boss_config": "write the host into the URI, as bossdb://https://HOST/COLLECTION/EXPERIMENT/CHANNEL, and the token "
    "into a profile, VOXOME_BOSSDB_TOKEN, or ~/.intern/intern.cfg",
    "coordinate_frame_desc": "use voxome.connect(HOST).coordinate_frames.update(NAME, description=…)",
    "collection_desc": "use voxome.connect(HOST).collections.update(NAME, description=…)",
    "experiment_desc": "use voxome.connect(HOST).experiments.update(COLLECTION, NAME, description=…)",
}
"""Argument of intern that has no effect here → what to do instead."""


@explain_construction
class array(Volume):
    """A volume of any store, open for writing where the store allows it; or a new one.

    Parameters
    ----------
    channel : str or path
        ``bossdb://collection/experiment/channel``, or any other URI that `open` takes.
    resolution : int
        Level of the pyramid; 0 is the finest.
    volume_provider : None
        Not used; the URI names the store.
    axis_order : {"ZYX", "XYZ"}
        Order of the axes of the array.
    create_new : bool
        Create the volume; the arguments below describe it.
    description : str, optional
        Stored as an attribute of the volume.
    dtype : dtype
        Voxel data type, uint8 by default: uint8 and uint16 for images, all others for labels.
    extents : (z, y, x)
        Shape in voxels.
    voxel_size : (z, y, x)
        Edge lengths of a voxel, in `voxel_unit`.
    voxel_unit : str
        ``"nanometers"`` by default, ``"micrometers"``, …
    downsample_levels : int, optional
        Number of levels of a new BossDB channel, 1 by default (6 in intern).
    downsample_method : {"anisotropic", "isotropic"}, optional
        How a BossDB makes them.
    coordinate_frame_name : str, optional
        Name of the coordinate frame in a BossDB.
    coordinate_frame_desc, collection_desc, experiment_desc : None
        Not used; the error says what to do instead.
    source_channel : str, optional
        Image channel to which the labels of a new BossDB channel belong.
    boss_config : None
        Not used; the URI names the host, and a profile has the token.

    Raises
    ------
    InvalidInput
        If arguments of a new volume are missing, or given without `create_new`, or an axis order or unit is unknown.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri, AlreadyExists

    Examples
    --------
    >>> import voxome
    >>> new = voxome.array("memory://new", create_new=True, dtype="uint8", extents=(4, 5, 6), voxel_size=(40, 4, 4))
    >>> new[0:2, 0, ::2] = 9
    >>> voxome.array("memory://new", axis_order="XYZ")[0, 0, 0:3]
    array([9, 9, 0], dtype=uint8)
    >>> new.voxel_size, new.voxel_unit, new.available_resolutions
    ((40.0, 4.0, 4.0), 'nanometers', [0])
    """

    def __init__(
        self,
        channel: Location,
        resolution: int = 0,
        volume_provider: None = None,
        axis_order: str = "ZYX",
        create_new: bool = False,
        description: str | None = None,
        dtype: DTypeLike | None = None,
        extents: Sequence[int] | None = None,
        voxel_size: Sequence[float] | None = None,
        voxel_unit: str | None = None,
        downsample_levels: int | None = None,
        downsample_method: str | None = None,
        coordinate_frame_name: str | None = None,
        coordinate_frame_desc: None = None,
        collection_desc: None = None,
        experiment_desc: None = None,
        source_channel: str | None = None,
        boss_config: None = None,
    ) -> None:
        _refuse_unused(
            volume_provider=volume_provider,
            boss_config=boss_config,
            coordinate_frame_desc=coordinate_frame_desc,
            collection_desc=collection_desc,
            experiment_desc=experiment_desc,
        )
        require_count("resolution", resolution, 0)
        require_flags(create_new=create_new)
        texts = {
            "description": description,
            "voxel_unit": voxel_unit,
            "downsample_method": downsample_method,
            "coordinate_frame_name": coordinate_frame_name,
            "source_channel": source_channel,
        }
        for name, text in texts.items():
            if text is not None and not isinstance(text, str):
                require_text(name, text)
        if downsample_levels is not None:
            require_count("downsample_levels", downsample_levels)
        if str(axis_order).upper() not in ("ZYX", "XYZ"):
            raise InvalidInput(f"unknown axis_order {describe_value(axis_order)}; use ZYX or XYZ")
        shape = {"extents": extents, "voxel_size": voxel_size}
        encoding = {
            "levels": downsample_levels,
            "hierarchy_method": downsample_method,
            "coordinate_frame": coordinate_frame_name,
            "sources": None if source_channel is None else [source_channel],
        }
        uri = _location(channel)
        if create_new:
            spec = _spec(shape, dtype, voxel_unit, {"description": description}, encoding)
            volume = create(uri, spec)
        else:
            options = {
                "dtype": dtype,
                **shape,
                "downsample_levels": downsample_levels,
                **texts,
            }
            if given := [name for name, value in options.items() if value is not None]:
                raise InvalidInput(f"{', '.join(given)} describe a new volume; add create_new=True, or leave them out")
            volume = _writable(uri, resolution)
        self.axis_order, self.resolution, self._channel = str(axis_order).upper(), resolution, uri
        source = volume.source if self.axis_order == "ZYX" else Transposed(volume.source, volume.uri)
        super().__init__(source, volume.reveal_uri())

    def __getitem__(self, key: Key) -> NDArray[Any]:
        if isinstance(key, tuple) and key and isinstance(key[-1], str):
            raise InvalidInput(f"indices are voxels, not {key[-1]}; divide lengths by voxel_size, in {self.voxel_unit}")
        return super().__getitem__(key)

    @staticmethod
    @explain_calls
    def from_images(
        uri: str,
        img_folder: Location,
        img_pattern: str = "*",
        dtype: DTypeLike | None = None,
        voxel_size: Sequence[float] = (1, 1, 1),
        voxel_unit: str = "nanometers",
    ) -> array:
        """Write a folder of sections as a new volume.

        Parameters
        ----------
        uri : str
            Of the new volume.
        img_folder : path
            Folder of PNG, JPEG or TIFF files, one a section, in natural order of their names.
        img_pattern : str
            Which of them, as ``*.png``.
        dtype : dtype, optional
            Voxel data type; that of the images by default. Values must not change.
        voxel_size : (z, y, x)
            Edge lengths of a voxel, in `voxel_unit`.
        voxel_unit : str
            ``"nanometers"``, ``"micrometers"``, …
        """
        folder = require_path("img_folder", img_folder)
        require_text("img_pattern", img_pattern, "*.png")
        sections = folder if img_pattern == "*" else str(Path(folder) / img_pattern)
        put(f"images://{sections}", uri, voxel_size_nm=_in_nm(voxel_size, voxel_unit), dtype=dtype)
        return array(uri)

    @property
    def voxel_size(self) -> tuple[float, float, float] | None:
        """Edge lengths of a voxel, in `voxel_unit` and in the order of the axes; None if unknown."""
        size = self.voxel_size_nm
        return size if size is None or self.axis_order == "ZYX" else (size[2], size[1], size[0])

    @property
    def voxel_unit(self) -> str:
        """Unit of `voxel_size`: always nanometers, into which the unit of the store is converted."""
        return "nanometers"

    @property
    def available_resolutions(self) -> list[int]:
        """Numbers of the levels."""
        return list(range(max(1, len(open(self._channel, expect=Volume).levels))))

    @property
    def downsample_status(self) -> str:
        """How far a BossDB is with the coarser levels; of other stores, whether there are any."""
        page = ability(self.source, SupportsPage)
        if page is not None:
            return page.downsample_status()
        return "DOWNSAMPLED" if len(self.available_resolutions) > 1 else "NOT_DOWNSAMPLED"

    @property
    def remote(self) -> str:
        """Name of the store or format, as ``bossdb`` or ``zarr``."""
        return self.uri.partition("://")[0]

    @property
    def url(self) -> str:
        """Page of a BossDB channel; of other stores, the URI."""
        page = ability(self.source, SupportsPage)
        return self.uri if page is None else page.page

    @property
    def visualize(self) -> str:
        """Link that shows the volume in Neuroglancer.

        Raises
        ------
        UnsupportedFormat
            If Neuroglancer does not read the format, or cannot reach the place where it is.
        """
        page = ability(self.source, SupportsPage)
        scheme, _, path = self.uri.partition("://")
        if page is None and (scheme not in _VIEWED or "://" not in path):
            raise UnsupportedFormat(
                f"Neuroglancer cannot open {self.uri}; it opens channels of a BossDB, and {', '.join(_VIEWED)} behind "
                "https://, s3:// or gs://"
            )
        layer = {
            "type": "segmentation" if self.spec.kind == "labels" else "image",
            "name": self.uri.rpartition("/")[2].partition("?")[0],
            "source": self.uri if page is None else page.viewer_source,
        }
        return _VIEWER + json.dumps({"layers": [layer]}, separators=(",", ":"))


def _refuse_unused(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InvalidInput(f"voxome.array does not use {name}; {_ELSEWHERE[name]}")


def _location(channel: Location) -> Location:
    """Return the URI; refuse a channel resource of intern, and say which URI it is."""
    names = [getattr(channel, name, None) for name in ("coll_name", "exp_name", "name")]
    if all(isinstance(name, str) for name in names):
        raise InvalidInput(f"a channel is opened by its URI: voxome.array('bossdb://{'/'.join(map(str, names))}')")
    return channel


def _writable(uri: Location, resolution: int) -> Volume:
    """Open a volume for writing, or for reading where the store or its format does not support that."""
    level = resolution or None
    try:
        return open(uri, expect=Volume, mode="r+", level=level)
    except (PermissionError, UnsupportedFormat):
        return open(uri, expect=Volume, level=level)


def _in_nm(voxel_size: Sequence[float], unit: str) -> tuple[float, float, float]:
    nm = nm_per(require_text("voxel_unit", unit))
    if nm is None:
        raise InvalidInput(f"voxel_unit {unit!r} is not a unit of length; use nanometers, micrometers, millimeters, …")
    z, y, x = require_lengths("voxel_size", voxel_size)
    return z * nm, y * nm, x * nm


def _spec(
    shape: dict[str, Any],
    dtype: DTypeLike | None,
    unit: str | None,
    attributes: dict[str, str | None],
    encoding: dict[str, Any],
) -> VolumeSpec:
    missing = [name for name, value in shape.items() if value is None]
    if missing:
        raise InvalidInput(f"a new volume also needs {', '.join(missing)}; extents and voxel_size are (z, y, x)")
    voxels = parse_dtype("uint8" if dtype is None else dtype)
    return VolumeSpec.of(
        require_indices("extents", shape["extents"], 0),
        voxels,
        kind="image" if voxels in _IMAGES else "labels",
        voxel_size_nm=_in_nm(shape["voxel_size"], unit or "nanometers"),
        attributes={name: value for name, value in attributes.items() if value is not None},
        encoding={name: value for name, value in encoding.items() if value is not None} or None,
    )
