"""Sources as OME-Zarr, in zarr v2 (OME-Zarr 0.4) and in zarr v3 (0.5).

=========================================  ==================================================
``GET /zarr/NAME/.zattrs``                 multiscales, with voxel sizes and translations
``GET /zarr/NAME/LEVEL/.zarray``           shape, chunks and data type of a level
``GET /zarr/NAME/LEVEL/I/J/K``             the voxels of a chunk
``GET /zarr3/NAME/zarr.json``              multiscales, and a copy of the metadata of all levels
``GET /zarr3/NAME/LEVEL/c/I/J/K``          the voxels of a chunk
=========================================  ==================================================

Chunks are not compressed, little-endian, and whole at the border, where the rest is the fill value. A volume whose
axes OME-Zarr does not have is a plain array.
"""

from __future__ import annotations

from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.relay import Relay


class Zarr2Dialect(VolumeFilesDialect):
    """Sources as zarr v2 under ``/zarr``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay, "/zarr", "zarr", encoding={"format": "zarr2", "codec": "raw"})


class Zarr3Dialect(VolumeFilesDialect):
    """Sources as zarr v3 under ``/zarr3``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay, "/zarr3", "zarr", encoding={"format": "zarr3", "codec": "raw"})
