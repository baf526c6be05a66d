"""Metadata of a collection of annotations, as they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from voxome.contracts.points import PointsSpec
from voxome.contracts.shapes import AnnotationShape
from voxome.remotes.precomputed.annotation_codec import SHAPES
from voxome.remotes.precomputed.annotation_fields import Fields
from voxome.remotes.precomputed.annotation_spool import AnnotationSpool
from voxome.remotes.precomputed.info import OWN, Json

TYPE = "neuroglancer_annotations_v1"
BESIDE = "beside"
"""Properties beside the records: the metadata's key, and the name of the table without its suffix."""
_OF_GENERATION = ("abandoned", BESIDE)
"""Own metadata that do not pass to the next generation."""


def draft_metadata(
    shape: AnnotationShape, fields: Fields, relations: Sequence[str], spec: PointsSpec, prefix: str
) -> Json:
    """Return the metadata of a collection, without what is only known at the end."""
    sizes = dict(zip("zyx", spec.voxel_size_nm or (1.0, 1.0, 1.0), strict=True))
    own: Json = {
        "properties": {
            field.id: {"name": field.name, "dtype": field.dtype.name}
            for field in fields.stored
            if field.id != field.name or field.dtype != field.element
        },
        "seed": spec.seed,
        "relations": {name: dict(one) for name, one in spec.relation_versions.items() if name in relations},
        "voxel_size_unknown": spec.voxel_size_nm is None,
    }
    if fields.beside:
        own[BESIDE] = {"key": f"{prefix}{BESIDE}.parquet", "properties": list(fields.beside)}
    keys = _keys(relations)
    return {
        "@type": TYPE,
        "dimensions": {axis: [_metres(sizes[axis]), "m"] for axis in "xyz"},
        "annotation_type": next(kind.upper() for kind, name in SHAPES.items() if name == shape),  # as cloud-volume
        "properties": [field.to_json() for field in fields.stored],
        "relationships": [{"id": name, "key": f"{prefix}{keys[name]}"} for name in relations],
        "by_id": {"key": f"{prefix}by_id"},
        OWN: own,
    }


def keep_metadata(old: Mapping[str, Any], new: Json) -> Json:
    """Return the new metadata of a collection, with what others have added to the old ones."""

    def kept(key: str) -> list[Json]:
        described = {str(one["id"]): one for one in old.get(key) or ()}
        return [{**described.get(one["id"], {}), **one} for one in new[key]]

    own = old.get(OWN, {})
    others = {key: value for key, value in own.items() if key not in _OF_GENERATION}
    lists = {key: kept(key) for key in ("properties", "relationships")}
    return {**old, **new, **lists, OWN: {**others, **new[OWN], "relations": own.get("relations", {})}}


def _keys(relations: Sequence[str]) -> dict[str, str]:
    """Return the folder of each relation: its name, without characters that mean something in a path."""
    keys: dict[str, str] = {}
    for name in relations:
        plain = "by_" + (re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_")
        plain = f"{plain}_" if plain == "by_id" else plain
        number = 1
        key = plain
        while key in keys.values():
            number += 1
            key = f"{plain}_{number}"
        keys[name] = key
    return keys


def _metres(nm: float) -> float:
    return float(Decimal(repr(float(nm))).scaleb(-9))


def bounds_of(spool: AnnotationSpool) -> Json:
    """Return the bounds of the collection: whole numbers, with every annotation inside."""
    if not len(spool):
        return {"lower_bound": [0.0] * 3, "upper_bound": [1.0] * 3}
    return {"lower_bound": np.floor(spool.lower).tolist(), "upper_bound": (np.floor(spool.upper) + 1).tolist()}
