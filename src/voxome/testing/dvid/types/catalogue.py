"""Every type of data instance by its name."""

from __future__ import annotations

from voxome.testing.dvid.instances import Instance
from voxome.testing.dvid.types import imageblk
from voxome.testing.dvid.types.annotation import Annotation
from voxome.testing.dvid.types.keyvalue import KeyValue
from voxome.testing.dvid.types.labelblk import LabelBlocks
from voxome.testing.dvid.types.labelmap.instance import LabelMap
from voxome.testing.dvid.types.labelsz import LabelSizes
from voxome.testing.dvid.types.neuronjson import NeuronJson
from voxome.testing.dvid.types.roi import Roi
from voxome.testing.dvid.types.tarsupervoxels import TarSupervoxels

_KINDS: tuple[type[Instance], ...] = (
    *imageblk.TYPES,
    LabelBlocks,
    LabelMap,
    LabelSizes,
    KeyValue,
    Annotation,
    Roi,
    NeuronJson,
    TarSupervoxels,
)
TYPES: dict[str, type[Instance]] = {kind.typename: kind for kind in _KINDS}
