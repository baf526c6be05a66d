"""What ``--json`` prints, against JSON schemas: typed fields, and the same keys everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

import voxome

Command = Callable[..., Any]

TEXT, NUMBER, COUNT, FLAG = (
    {"type": "string"},
    {"type": "number"},
    {"type": "integer", "minimum": 0},
    {"type": "boolean"},
)
INDICES = {"type": "array", "items": {"type": "integer"}}
TEXTS = {"type": "array", "items": TEXT}
LENGTHS = {"type": ["array", "null"], "items": NUMBER}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


SCHEMAS: list[tuple[str, dict[str, Any]]] = [
    (
        "info raw.zarr",
        _object(
            uri=TEXT,
            format=TEXT,
            kind={"enum": ["image", "labels", "probability"]},
            shape=INDICES,
            dtype=TEXT,
            axes=TEXTS,
            start=INDICES,
            voxel_size_nm=LENGTHS,
            offset_nm=LENGTHS,
            levels=_list(_object(shape=INDICES, voxel_size_nm=LENGTHS, offset_nm=LENGTHS)),
        ),
    ),
    ("ls .", _list(_object(uri=TEXT, type=TEXT, description=TEXT))),
    ("tools", _list(_object(name=TEXT, version=TEXT, summary=TEXT, inputs=TEXTS, parameters=TEXTS, outputs=TEXTS))),
    ("datasets", _list(_object(name=TEXT, title=TEXT, modality=TEXT, voxel_size_nm=LENGTHS, source=TEXTS))),
    ("datasets kasthuri2015/em", _object(name=TEXT, title=TEXT, modality=TEXT, voxel_size_nm=LENGTHS, source=TEXTS)),
    ("profiles", _object(file=TEXT, profile=TEXT, services={"type": "array"})),
    (
        "doctor",
        _object(
            versions=_object(voxome=TEXT, python=TEXT),
            extras={"type": "object", "additionalProperties": TEXTS},
            engines=TEXTS,
            credentials=_list(_object(store=TEXT, source=TEXT)),
            cpus=COUNT,
            memory_bytes={"type": ["integer", "null"]},
            disk=_object(folder=TEXT, free_bytes=COUNT, total_bytes=COUNT),
            problems=TEXTS,
        ),
    ),
    ("get raw.zarr out.npy", _object(shape=INDICES, dtype=TEXT)),
    ("put raw.zarr zarr://put.zarr", _object(uri=TEXT, shape=INDICES, dtype=TEXT)),
    (
        "transfer raw.zarr zarr://copy.zarr",
        _object(source=TEXT, destination=TEXT, bytes=COUNT, seconds=NUMBER, run=COUNT, reused=COUNT, verified=COUNT),
    ),
    ("rm raw.zarr -y", _object(removed=TEXT)),
    (
        "score segmentation --truth labels.zarr --result labels.zarr",
        _object(voi_split=NUMBER, voi_merge=NUMBER, adapted_rand_error=NUMBER),
    ),
    (
        "tool common.threshold --image raw.zarr --out o --workers 1",
        _object(result=_object(type=TEXT, uri=TEXT, key=TEXT, box=TEXT)),
    ),
    (
        "bench read raw.zarr --sizes 4 --repeats 1",
        _object(uri=TEXT, level=COUNT, readings=_list(_object(edge=COUNT, bytes=COUNT, aligned=FLAG, seconds=NUMBER))),
    ),
]


@pytest.fixture
def volumes(command: Command) -> Command:
    """Run commands beside an image and labels."""
    for name, dtype in (("raw", "uint8"), ("labels", "uint64")):
        spec = voxome.VolumeSpec.of((6, 8, 10), dtype, voxel_size_nm=(10, 8, 8))
        voxome.create(f"zarr://{name}.zarr", spec)[...] = 1
    return command


@pytest.mark.slow
@pytest.mark.parametrize(("line", "schema"), SCHEMAS, ids=[line for line, _ in SCHEMAS])
def test_json_follows_its_schema(volumes: Command, line: str, schema: dict[str, Any]) -> None:
    result = volumes(*line.split(), "--json")
    assert result.status == 0, result.err
    jsonschema.validate(result.json, schema)
