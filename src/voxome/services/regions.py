"""Measures of segments, and of their contacts, of a volume in any store."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.config.machine import available_cpus
from voxome.contracts.arguments import require_counts, require_id
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.service import service as as_service
from voxome.errors import InvalidBox, InvalidInput, NotFound
from voxome.extras import require
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.resources.columns import Table
from voxome.resources.labels import corner_of_voxel_0, require_labels
from voxome.resources.provenance import input_record, own_version
from voxome.resources.rows import empty_rows
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.choice import call_service, choose
from voxome.services.layers import Layers

_MAX_THREADS = 8
"""Threads, each of which holds a block."""


@as_service()
def regions(
    volume: VolumeLike,
    image: VolumeLike | None = None,
    *,
    ids: Collection[int] | None = None,
    box: Box | str | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Table:
    """Measure the segments of a label volume: size, centroid, bounding box, surface, principal axes, grey values.

    Blocks are read one after the other, and added up exactly: the result does not depend on them. Memory grows with the
    number of segments, not with the volume, and does not depend on how large ids are.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background.
    image : str, path, Volume or array, optional
        Volume with the same voxels, whose values under every segment are measured.
    ids : collection of int, optional
        The segments to return; all if None.
    box : Box or str, optional
        Part of the volume, in the store's coordinates; segments are measured as far as they are inside.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.
    service : str, optional
        ``local``, or the name of another package's service.

    Returns
    -------
    Table
        One row an id (uint64), sorted, with the columns

        - ``voxels``, ``volume_nm3``;
        - ``z``, ``y``, ``x`` and ``z_nm``, ``y_nm``, ``x_nm``: centroid from the corner of voxel 0, where voxel i
          covers i to i + 1, in voxels and in nm: that of voxels 0 to 9 is 5, not 4.5;
        - ``start_z``, …, ``stop_x``: bounding box, in the store's coordinates;
        - ``faces_z``, ``faces_y``, ``faces_x``, ``surface_nm2``: faces of voxels across each axis to what is not the
          segment, the outside of the volume too, and their area;
        - ``major_axis_nm``, ``middle_axis_nm``, ``minor_axis_nm``: full lengths of the axes of the ellipsoid that has
          the same second moments, of voxels as boxes, so that they are never 0; ``major_z``, …, ``minor_x``: their
          directions in nm space, of length 1, the largest component positive;
        - with `image`: ``values``, the number of voxels with a finite value, and their ``mean``, ``std`` (of the
          population), ``min`` and ``max``. Sums are exact also of floats, and are rounded once.

        Measures in nm are NaN if the voxel size is unknown.

    Raises
    ------
    InvalidInput
        If the volume has no integer labels, or negative ones; if the image has other voxels, or whole numbers beyond
        2**53.
    NotFound
        If one of `ids` does not exist.
    InvalidBox
        If the box is empty or leaves the volume.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> labels = np.zeros((4, 6, 8), np.uint64)
    >>> labels[:2, :4, :] = 7
    >>> table = voxome.regions(labels, voxel_size_nm=(40, 10, 10))
    >>> table["voxels"].tolist(), table.row(7)["z_nm"], table.row(7)["y_nm"]
    ([64], 40.0, 20.0)
    """
    labels = require_labels(as_volume(volume, voxel_size_nm=voxel_size_nm))
    way = choose(service, labels, "regions", None)
    if way != LOCAL:
        return cast("Table", call_service(way, labels, image, ids=ids, box=box))
    require("services", "numba")
    from voxome.tools.common.segments.measures import measure_regions, measure_values

    region = measured_region(labels, box)
    pictured = None if image is None else require_same_voxels(as_volume(image), labels, region)
    sums = _sums(labels, pictured, region, contacts=False)
    rows = measure_regions(sums.segments, labels.domain.start, labels.voxel_size_nm)
    if pictured is not None:
        rows |= measure_values(sums.segments, sums.values)
    inputs = {"labels": labels} if pictured is None else {"labels": labels, "image": pictured}
    made = _provenance("regions", inputs, region)
    rows = _placed(rows, labels)
    return Table(rows if ids is None else _select(rows, ids, labels), ("id",), made)


@as_service()
def contacts(
    volume: VolumeLike,
    *,
    box: Box | str | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Table:
    """Measure the contacts of the segments of a label volume: which share faces of voxels, how large, and where.

    Voxels that only share an edge or a corner do not touch. Otherwise as `regions`.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background, which touches nothing.
    box : Box or str, optional
        Part of the volume, in the store's coordinates; faces between two of its voxels count.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.
    service : str, optional
        ``local``, or the name of another package's service.

    Returns
    -------
    Table
        One row for every two ids ``a < b`` (uint64) that touch, sorted, with the columns

        - ``faces_z``, ``faces_y``, ``faces_x``: faces that they share, across each axis;
        - ``area_nm2``: the sum of the areas of these faces;
        - ``z``, ``y``, ``x`` and ``z_nm``, ``y_nm``, ``x_nm``: centroid of the faces, weighed by their areas, from the
          corner of voxel 0, in voxels and in nm.

        Measures in nm are NaN, and all faces weigh the same, if the voxel size is unknown.

    Raises
    ------
    InvalidInput
        If the volume has no integer labels, or negative ones.
    InvalidBox
        If the box is empty or leaves the volume.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> labels = np.array([[[3, 5, 5], [5, 5, 5]]], np.uint64)
    >>> voxome.contacts(labels, voxel_size_nm=(40, 4, 8)).row(5, 3)["area_nm2"]
    480.0
    """
    labels = require_labels(as_volume(volume, voxel_size_nm=voxel_size_nm))
    way = choose(service, labels, "contacts", None)
    if way != LOCAL:
        return cast("Table", call_service(way, labels, box=box))
    require("services", "numba")
    from voxome.tools.common.segments.measures import measure_contacts

    region = measured_region(labels, box)
    sums = _sums(labels, None, region, contacts=True)
    rows = _placed(measure_contacts(sums.contacts, labels.domain.start, labels.voxel_size_nm), labels)
    return Table(rows, ("a", "b"), _provenance("contacts", {"labels": labels}, region), pairs=True)


def _placed(rows: dict[str, NDArray[Any]], labels: Volume) -> dict[str, NDArray[Any]]:
    """Return rows with positions from the corner of level 0, for those of a level that begins elsewhere."""
    corner = zip(("z_nm", "y_nm", "x_nm"), corner_of_voxel_0(labels), strict=True)
    return rows | {name: rows[name] + moved for name, moved in corner if moved}


def measured_region(labels: Volume, box: Box | str | None) -> Box:
    """Return the part of a volume that is measured: all of it, or the box.

    Raises
    ------
    InvalidBox
        If the box is empty or leaves the volume.
    """
    region = labels.domain if box is None else Box.of(box, labels.domain)
    if region.ndim != labels.ndim or region.empty or region not in labels.domain:
        raise InvalidBox(f"the box {region} is empty or leaves the volume; expected a box inside {labels.domain}")
    return region


def require_same_voxels(image: Volume, labels: Volume, region: Box) -> Volume:
    """Return the volume whose values are measured, which must have all voxels of a region of the labels.

    Raises
    ------
    InvalidInput
        If it has not, or its voxels are elsewhere.
    """
    name, other = f"the image {image.uri}".rstrip(), f"the labels {labels.uri}".rstrip()
    if image.ndim != 3 or image.dtype.kind not in "biuf":
        axes = "/".join(image.axes)
        raise InvalidInput(f"{name} has axes {axes} and dtype {image.dtype}; expected numbers along z, y and x")
    same = image.domain == labels.domain or are_placed(image.spec, labels.spec)
    if region not in image.domain or not same:
        shapes = [comma_text(box.shape) for box in (image.domain, region)]
        raise InvalidInput(
            f"{name} has {shapes[0]} voxels, {image.domain}; expected those of {other}: {shapes[1]}, {region}. Give "
            "the image of these labels, or the part that both have as the box"
        )
    if problem := placement_problem(other, labels.spec, name, image.spec):
        raise InvalidInput(problem)
    return image


def _sums(labels: Volume, image: Volume | None, region: Box, *, contacts: bool) -> Any:
    """Add up the sums of all blocks, which threads of this process compute: of contacts, or of segments."""
    from voxome.tools.common.segments.sums import SUMS, Sums, join_all

    name = labels.uri or "the array"

    def measure(block: Box, voxels: NDArray[Any]) -> Sums:
        try:
            found = Sums.of(
                voxels,
                None if image is None else image.source.read(block),
                inner=cast("tuple[int, int, int]", block.shape),
                origin=tuple(a - b for a, b in zip(block.start, labels.domain.start, strict=True)),
                outside=tuple(a == b for a, b in zip(block.start, region.start, strict=True)),
                contacts=contacts,
            )
        except InvalidInput as error:
            raise InvalidInput(f"{name}, {block}: {error}") from error
        return replace(found, segments=empty_rows(SUMS)) if contacts else found

    def parts() -> Iterator[Sums]:
        threads = min(available_cpus(), _MAX_THREADS)
        waiting: deque[Future[Sums]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for block, voxels in Layers(labels.source, region):
                waiting.append(pool.submit(measure, block, voxels))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    return join_all(parts())


def _select(rows: dict[str, Any], ids: Collection[int], labels: Volume) -> dict[str, Any]:
    wanted = np.unique(np.array([require_id("ids", one) for one in require_counts("ids", ids)], np.uint64))
    missing = np.setdiff1d(wanted, rows["id"])
    if missing.size:
        listed = ", ".join(map(str, missing[:5])) + (", …" if missing.size > 5 else "")
        raise NotFound(f"{labels.uri or 'the array'} has no label {listed}; leave out `ids` for all that it has")
    keep = np.isin(rows["id"], wanted)
    return {name: values[keep] for name, values in rows.items()}


def _provenance(name: str, inputs: dict[str, Volume], region: Box) -> Provenance:
    records = [input_record(role, volume.source, volume.uri) for role, volume in inputs.items()]
    return Provenance.now(name, LOCAL, f"common.{name}", own_version(), {"box": str(region)}, records)
