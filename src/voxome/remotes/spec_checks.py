"""Whether a format can hold what a spec says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry.axes import default_axes


def refuse_what_is_lost(what: str, spec: VolumeSpec, *fields: str) -> None:
    """Refuse a spec that says in `fields` what the format has no place for; starts other than 0 always.

    Raises
    ------
    UnsupportedFormat
        Naming all of them.
    """
    plain = {"offset_nm": (0.0, 0.0, 0.0), "attributes": {}, "axes": default_axes(spec.domain.ndim)}
    lost = [f"{name} {getattr(spec, name)}" for name in fields if getattr(spec, name) != plain.get(name)]
    if any(spec.domain.start):
        lost.append(f"a domain that starts at {spec.domain.start}")
    if lost:
        raise UnsupportedFormat(
            f"{what} has no place for {', nor for '.join(lost)}: leave that out, or write zarr, which has"
        )


def refuse_options(what: str, spec: VolumeSpec, known: Iterable[str]) -> dict[str, Any]:
    """The options of ``spec.encoding``.

    Raises
    ------
    InvalidInput
        If there is one that is not `known`.
    """
    options, names = dict(spec.encoding or {}), sorted(known)
    if foreign := sorted(set(options) - set(names)):
        raise InvalidInput(f"{what} has no encoding option {', '.join(foreign)}; known: {', '.join(names) or 'none'}")
    return options
