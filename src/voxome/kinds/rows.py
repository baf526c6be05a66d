"""Rows that a tool returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from voxome.contracts.kinds import Rows, Target
from voxome.errors import InvalidInput


def require_rows(value: object, columns: Collection[str], target: Target) -> Rows:
    """Return rows that a tool returned for an output.

    Raises
    ------
    InvalidInput
        If they are not a mapping, or lack columns, or if the columns differ in length.
    """
    output = f"The output {target.name!r} of {target.tool}"
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"{output} is a {type(value).__name__}; expected a mapping of {', '.join(columns)} to arrays"
        )
    missing = [name for name in columns if name not in value]
    if missing:
        raise InvalidInput(f"{output} lacks the columns {', '.join(missing)}; its kind has {', '.join(columns)}")
    lengths = {name: len(value[name]) for name in columns}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"The columns of {output[0].lower()}{output[1:]} differ in length: {lengths}")
    return cast("Rows", value)
