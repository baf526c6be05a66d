"""Write annotations into a store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_lengths, require_mapping, require_whole
from voxome.contracts.points import PointsSpec, PointsWriter, SupportsWritePoints
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.shapes import Annotations
from voxome.contracts.uri import Location, Uri
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat, describe_value
from voxome.resources.addresses import absolute
from voxome.resources.open import open
from voxome.resources.recognition import get_remote
from voxome.resources.shapes import Points
from voxome.resources.volume_like import VolumeLike
from voxome.services.annotations.relate import RELATIONS, SegmentFinder
from voxome.services.annotations.sources import AnnotationsLike, open_annotations, with_scheme
from voxome.services.rollback import discard

_TEXTS = "OSTU"
"""Kinds of data types of texts."""
_RELATION_NAMES = {name for names in RELATIONS.values() for name in names}


@explain_calls
def create_annotations(
    uri: Location,
    source: AnnotationsLike,
    *,
    voxel_size_nm: tuple[float, float, float] | None = None,
    dtypes: Mapping[str, DTypeLike] | None = None,
    labels: VolumeLike | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[Points, ...]:
    """Write annotations into a store, in bounded memory however many there are.

    Annotations of several geometries become several collections, ``URI/point``, ``URI/line`` and so on; if one cannot
    be written, the others are removed. They are sorted in temporary files, about 250 bytes for each, in the folder that
    ``TMPDIR`` names.

    Parameters
    ----------
    uri : str or path
        ``precomputed://…`` (a new folder), ``dvid://…/INSTANCE``, or a new ``.parquet`` or ``.csv`` file.
    source : str, path, Points, Annotations or iterator of Annotations
        The annotations; in a store, or in a ``.csv`` or ``.parquet`` file.
    voxel_size_nm : (z, y, x), optional
        Voxel size of the volume that they belong to; by default that of the source, or else 1 nm. Precomputed
        annotations have positions of 32 bits in this unit, so that those of voxels are exact.
    dtypes : mapping of str to dtype, optional
        Data types to convert properties to, such as ``{"score": "float32"}``, which must hold their values; floats
        may be rounded to smaller floats. Neuroglancer shows properties of at most 32 bits; others are kept in a table
        beside the collection.
    labels : str, path, Volume or array, optional
        Labels to whose segments annotations are related by position: ``segment``, or ``pre_segment`` and
        ``post_segment`` of lines. `Points.relation_versions` says of which version; see `relate_annotations`.
    limit : int, optional
        Largest number of annotations in a cell of the spatial index.
    seed : int
        Seed of the random order in which annotations are shown from afar.

    Returns
    -------
    tuple of Points
        The collections, one for each geometry.

    Raises
    ------
    AlreadyExists
        If something is stored there.
    ReadOnly
        If nothing can be written there; this is found before annotations are read.
    InvalidInput
        If an id occurs twice, a position is not finite, a value does not fit its data type in `dtypes`, or the
        annotations of one geometry differ in their properties or relations.
    UnsupportedFormat
        If the store cannot hold them.

    Examples
    --------
    >>> import voxome
    >>> found = voxome.Annotations("point", [1, 2], [[[5, 5, 5]], [[9, 9, 9]]], {"score": [0.5, 0.75]})
    >>> points, = voxome.create_annotations("precomputed://points", found, voxel_size_nm=(8, 8, 8))  # doctest: +SKIP
    """
    target = Uri.parse(with_scheme(uri))
    remote = get_remote(target.scheme) if target.scheme else None
    if not isinstance(remote, SupportsWritePoints):
        raise UnsupportedFormat(
            f"{target} cannot hold annotations; write to precomputed://FOLDER, dvid://HOST/UUID/INSTANCE, FILE.parquet "
            "or FILE.csv"
        )
    target = absolute(target)
    require_mapping("dtypes", dtypes or {}, "{'score': 'float32'}")
    converted = {name: np.dtype(one) for name, one in (dtypes or {}).items()}
    found = open_annotations(source)
    finder = None if labels is None else SegmentFinder(labels)
    size = found.voxel_size_nm if voxel_size_nm is None else require_lengths("voxel_size_nm", voxel_size_nm)
    if finder is not None and size is None:
        size = finder.voxel_size_nm
    spec = PointsSpec(
        voxel_size_nm=size,
        limit=None if limit is None else require_count("limit", limit),
        seed=require_whole("seed", seed),
        relation_versions={} if finder is None else dict.fromkeys(_RELATION_NAMES, finder.version()),
    )
    parameters = {"voxel_size_nm": size and list(size), "limit": limit, "seed": seed}
    records = found.records if finder is None else (*found.records, finder.record)
    provenance = Provenance.now("annotations", LOCAL, "annotations", version("voxome"), parameters, records)
    writers: dict[str, PointsWriter] = {}
    with ExitStack() as opened:
        unused = [opened.enter_context(remote.open_points_writer(target, spec))]  # refuses what cannot be written
        for batch in found.batches:
            if batch.shape not in writers:
                writers[batch.shape] = (
                    unused.pop() if unused else opened.enter_context(remote.open_points_writer(target, spec))
                )
            part = _convert(batch, converted)
            writers[batch.shape].write(part if finder is None else finder.relate(part))
        if not writers:
            raise InvalidInput(
                f"there are no annotations to write to {target}; an empty collection needs one empty part"
            )
        parts = {shape: shape if len(writers) > 1 else None for shape in writers}
        uris: list[str] = []
        try:
            for shape, writer in writers.items():
                uris.append(writer.finish(provenance, parts[shape]))
        except BaseException as error:
            for one in uris:
                outcome = "was removed" if discard(one) else "is left; delete it before writing it again"
                error.add_note(f"{one} {outcome}")
            raise
    return tuple(open(one, expect=Points) for one in uris)


def _convert(batch: Annotations, dtypes: Mapping[str, np.dtype[Any]]) -> Annotations:
    if not dtypes:
        return batch
    if unknown := sorted(dtypes.keys() - batch.properties.keys()):
        raise UnknownName.of("property", unknown[0], batch.properties)
    columns = dict(batch.properties)
    for name, dtype in dtypes.items():
        columns[name] = _cast(name, columns[name], dtype)
    return batch.replace(properties=columns)


def _cast(name: str, values: Any, dtype: np.dtype[Any]) -> Any:
    """Return a property with another dtype; values that it cannot hold are refused, but that floats are rounded."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            cast = values.astype(dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InvalidInput(f"the property {name!r} cannot be converted to {dtype}: {error}") from error
    kept = _are_kept(values, cast)
    if not kept.all():
        lost = values[~kept].tolist()[0]
        raise InvalidInput(f"the property {name!r} has values that {dtype} cannot hold, such as {describe_value(lost)}")
    return cast


def _are_kept(values: NDArray[Any], cast: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values are the same after they were cast; floats that become floats may be rounded."""
    before, after = values.dtype.kind in _TEXTS, cast.dtype.kind in _TEXTS
    if values.dtype.kind == cast.dtype.kind == "f":
        return np.ones(values.shape, np.bool_)
    if after:
        missing = [np.asarray(one.astype(object) == np.array(None), np.bool_) for one in (values, cast)]
        return np.asarray((cast.astype(str) == values.astype(str)) & (missing[0] == missing[1]), np.bool_)
    if before:
        return np.array([_is_number(*pair) for pair in zip(values.tolist(), cast.tolist(), strict=True)], np.bool_)
    return np.asarray(cast.astype(object) == values.astype(object), np.bool_)


def _is_number(text: Any, number: float) -> bool:
    """Return whether a text says this number; decimals may be rounded."""
    if isinstance(number, bool):
        return str(text) == str(number)
    digits = str(text).strip()
    return int(digits) == number if digits.lstrip("+-").isdecimal() else True
