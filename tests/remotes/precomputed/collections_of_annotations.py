"""Annotations with properties of all types, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxome.contracts.shapes import Annotations, AnnotationShape

EXTENT_NM = np.array([4_000.0, 16_000.0, 16_000.0])
BIG = (2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2)
STORED = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")


def annotations_of(shape: AnnotationShape, count: int, seed: int = 0, **properties: Any) -> Annotations:
    """Return annotations at whole nm, with ids beyond 2^53, three properties and two relations of 0 to 2 labels."""
    random = np.random.default_rng(seed)
    first = np.floor(random.random((count, 3)) * EXTENT_NM)
    second = np.floor(random.random((count, 3)) * 300 + 1)
    if shape in ("line", "box"):
        second = first + second * random.choice([-1, 1], (count, 3))
    positions = first[:, None] if shape == "point" else np.stack([first, second], axis=1)
    ids = random.permutation(np.arange(count, dtype=np.uint64) * np.uint64(3) + np.uint64(1))
    ids[: len(BIG)] = np.array(BIG[: len(ids)], np.uint64)
    labels = [np.array([BIG[row % 4], row % 17], np.uint64)[: row % 3] for row in range(count)]
    return Annotations(
        shape,
        ids,
        positions,
        {
            "kind": random.integers(0, 5, count).astype("uint8"),
            "score": random.random(count).astype("float32"),
            "size": random.integers(0, 60_000, count).astype("uint16"),
            **properties,
        },
        {"pre": (np.arange(count, dtype=np.uint64) % np.uint64(40))[:, None], "post": labels},
    )


def all_types(count: int) -> dict[str, Any]:
    """Return a property of each type of the format, and of types that it does not have."""
    random = np.random.default_rng(1)
    numbers = {f"n_{name}": (random.integers(0, 120, count)).astype(name) for name in STORED}
    return {
        **numbers,
        "colour": random.integers(0, 255, (count, 3)).astype("uint8"),
        "shade": random.integers(0, 255, (count, 4)).astype("uint8"),
        "flag": random.random(count) > 0.5,
        "long": random.integers(-(2**60), 2**60, count),
        "big": np.array([BIG[row % 4] for row in range(count)], np.uint64),
        "exact": random.random(count),
        "Who did it?": np.array([f"person {row % 7}" for row in range(count)]),
    }


def assert_equal(found: Annotations, expected: Annotations, relations: bool = True) -> None:
    """Compare annotations, sorted by id."""
    expected = expected.select(np.argsort(expected.ids))
    assert found.shape == expected.shape
    assert found.ids.tolist() == expected.ids.tolist()
    np.testing.assert_array_equal(found.positions_nm, expected.positions_nm)
    assert set(found.properties) == set(expected.properties)
    for name, values in expected.properties.items():
        assert found.properties[name].dtype.kind == values.dtype.kind, name
        np.testing.assert_array_equal(found.properties[name], values, name)
    if relations:
        assert set(found.relations) == set(expected.relations)
        for name, labels in expected.relations.items():
            assert [one.tolist() for one in found.relations[name]] == [one.tolist() for one in labels], name
