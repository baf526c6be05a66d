"""All types of data instances by name."""

from __future__ import annotations

from standins.dvid.instances import Instance
from standins.dvid.types import imageblk
from standins.dvid.types.annotation import Annotation
from standins.dvid.types.keyvalue import KeyValue
from standins.dvid.types.labelarray import LabelArray
from standins.dvid.types.labelblk import LabelBlocks
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.types.labelsz import LabelSizes
from standins.dvid.types.neuronjson import NeuronJson
from standins.dvid.types.roi import Roi
from standins.dvid.types.tarsupervoxels import TarSupervoxels

_TYPES: tuple[type[Instance], ...] = (
    *imageblk.TYPES,
    LabelBlocks,
    LabelArray,
    LabelMap,
    LabelSizes,
    KeyValue,
    Annotation,
    Roi,
    NeuronJson,
    TarSupervoxels,
)
TYPES: dict[str, type[Instance]] = {instance_type.typename: instance_type for instance_type in _TYPES}
