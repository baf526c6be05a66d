"""Sources as precomputed volumes, which Neuroglancer, cloud-volume and tensorstore read.

==================================================  =======================================================
``GET /precomputed/NAME/info``                      shape and meaning of all levels, as JSON
``GET /precomputed/NAME/LEVEL/X0-X1_Y0-Y1_Z0-Z1``  the voxels of a chunk
==================================================  =======================================================

Chunks begin at the first voxel of a level. Labels of 32 and 64 bits are compressed segmentations, all else is raw:
nothing is lossy. Booleans are served as uint8 and float16 as float32, which have the same numbers exactly; other data
types that the format lacks are refused at ``info``.
"""

from __future__ import annotations

from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.relay import Relay


class PrecomputedDialect(VolumeFilesDialect):
    """Sources as precomputed volumes under ``/precomputed``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay, "/precomputed", "precomputed", together="c")
