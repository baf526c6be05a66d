"""Properties of annotations in the types of the format; others are kept in a table beside.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/annotation.rst
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput, UnsupportedFormat

COLOURS: Mapping[str, int] = {"rgb": 3, "rgba": 4}
"""Types of colours → number of their uint8 values."""
NUMBERS = ("uint32", "int32", "float32", "uint16", "int16", "uint8", "int8")
TYPES = (*NUMBERS, *COLOURS)
"""Types of properties."""
_TEXT_KINDS = "UO"
_WIDE = ("int64", "uint64", "float64", "float16")
_ALIGNMENT = 4
_NAME = re.compile(r"[a-z][a-zA-Z0-9_]*")
"""What Neuroglancer accepts as the id of a property."""


@dataclass(frozen=True)
class Field:
    """A property as the format holds it.

    Attributes
    ----------
    name : str
        Name of the property.
    id : str
        Its id in the metadata, which has fewer characters.
    type : str
        Type of the format: ``uint8`` … ``float32``, ``rgb`` or ``rgba``.
    dtype : numpy.dtype
        That of the property; booleans are stored as uint8.
    """

    name: str
    id: str
    type: str
    dtype: np.dtype[Any]

    @property
    def element(self) -> np.dtype[Any]:
        """Data type of a stored value."""
        return np.dtype("u1" if self.type in COLOURS else self.type).newbyteorder("<")

    @property
    def width(self) -> tuple[int, ...]:
        """Shape of a stored value."""
        return (COLOURS[self.type],) if self.type in COLOURS else ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``properties``."""
        return {"id": self.id, "type": self.type, **({} if self.id == self.name else {"description": self.name})}


@dataclass(frozen=True)
class Fields:
    """Properties of a collection.

    Attributes
    ----------
    stored : tuple of Field
        Those in the records, by falling size of their elements: the order of their bytes, which readers expect of the
        metadata too.
    beside : tuple of str
        Names of those that the format has no type for.
    """

    stored: tuple[Field, ...]
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, properties: Mapping[str, NDArray[Any]], name: str) -> Fields:
        """Return how properties are stored; `name` is the URI, for messages.

        Raises
        ------
        UnsupportedFormat
            If one is neither a number, nor a text, a truth value, or a colour of 3 or 4 uint8.
        """
        stored: list[Field] = []
        beside: list[str] = []
        ids: set[str] = set()
        for key, values in properties.items():
            column = np.asarray(values)
            type_name = _type_of(column)
            if type_name is not None:
                stored.append(Field(key, _free_id(key, ids), type_name, column.dtype.newbyteorder("=")))
                ids.add(stored[-1].id)
            elif column.ndim == 1 and (column.dtype.name in _WIDE or column.dtype.kind in _TEXT_KINDS):
                beside.append(key)
            else:
                raise UnsupportedFormat(
                    f"{name}: the property {key!r} has the dtype {column.dtype} and the shape {column.shape}; a "
                    "property is one number, text or truth value an annotation, or a colour of 3 or 4 uint8"
                )
        order = sorted(stored, key=lambda field: -field.element.itemsize)
        return cls(tuple(order), tuple(beside))

    def check(self, properties: Mapping[str, NDArray[Any]]) -> None:
        """Require that further annotations have the same properties.

        Raises
        ------
        InvalidInput
            If they do not.
        """
        expected = {**{field.name: field.dtype.name for field in self.stored}, **dict.fromkeys(self.beside)}
        if set(properties) != set(expected):
            raise InvalidInput(
                f"these annotations have the properties {', '.join(properties) or 'none'}; those before had "
                f"{', '.join(expected) or 'none'}"
            )
        for field in self.stored:
            column = np.asarray(properties[field.name])
            if _type_of(column) != field.type or column.dtype.newbyteorder("=") != field.dtype:
                raise InvalidInput(
                    f"the property {field.name!r} has the dtype {column.dtype}; before it had {field.dtype}"
                )


def record_dtype(vectors: int, fields: Sequence[Field]) -> np.dtype[Any]:
    """Return the dtype of a record: vectors, properties by falling size of their elements, padding to 4 bytes."""
    parts: list[tuple[Any, ...]] = [("vectors", "<f4", (vectors, 3))]
    for field in sorted(fields, key=lambda one: -one.element.itemsize):
        parts.append((f"property {field.id}", field.element, field.width))
    size = np.dtype(parts).itemsize
    if padding := -size % _ALIGNMENT:
        parts.append(("padding", f"V{padding}"))
    return np.dtype(parts)


def _type_of(column: NDArray[Any]) -> str | None:
    """Return the type of the format that holds a column exactly, None if there is none."""
    if column.ndim == 2 and column.dtype == np.uint8:
        return next((name for name, width in COLOURS.items() if width == column.shape[1]), None)
    if column.ndim != 1:
        return None
    return "uint8" if column.dtype == np.bool_ else column.dtype.name if column.dtype.name in NUMBERS else None


def _free_id(name: str, taken: set[str]) -> str:
    """Return the id of a property: its name, or what is left of it as letters, digits and underscores."""
    plain = name if _NAME.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if not _NAME.fullmatch(plain):
        plain = f"p{plain}" if not plain[:1].isalpha() else plain[0].lower() + plain[1:]
    id, number = plain, 1
    while id in taken:
        number += 1
        id = f"{plain}_{number}"
    return id
