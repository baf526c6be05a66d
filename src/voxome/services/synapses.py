"""Synapses of an electron micrograph, found by the detector of the EM pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_function, require_voxels
from voxome.contracts.kinds import Rows
from voxome.contracts.placement import placement_problem
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.units import min_voxels
from voxome.resources.provenance import input_record
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.blockwise_copy import ProgressCallback, resolve_box, silent
from voxome.services.choice import call_service, choose, chosen_options
from voxome.services.synapse_blocks import BLOCK, Detector
from voxome.services.synapse_pieces import Pieces, resolve
from voxome.services.synapse_points import partner_points
from voxome.services.synapse_rows import SynapseRows
from voxome.tools.common.graph import graph
from voxome.tools.common.statistics import statistics
from voxome.tools.em.densities import densities
from voxome.tools.em.network import network
from voxome.tools.em.synaptic.partners import PartnerParams, partners
from voxome.tools.em.synaptic.tables import MIN_PEAK, select_objects

_NAME = "synapses"
_AXES = ("z", "y", "x")


@explain_calls
def synapses(
    volume: VolumeLike,
    labels: VolumeLike | None = None,
    *,
    box: Box | str | None = None,
    membranes: VolumeLike | None = None,
    model: str = "membranes",
    synapse_threshold: int = 80,
    min_synapse_volume_um3: float = 0.0001,
    min_synapse_peak: int = MIN_PEAK,
    min_area_um2: float = 0.002,
    min_asymmetry: float = 0.1,
    voxel_size_nm: Sequence[float] | None = None,
    block: Sequence[int] | None = None,
    service: str | None = None,
    progress: ProgressCallback = silent,
) -> Annotations:
    """Find the synapses of an electron micrograph, and the segments that they connect.

    A synapse is in the box if its centre is, and is found as a whole if it does not reach further than 0.4 µm beyond:
    the synapses of boxes side by side are those of one box around them. Memory holds a block at a time, whatever the
    size of the box; maps between the passes are files in the temporary folder.

    Parameters
    ----------
    volume : str, path, Volume or array
        EM image with dark membranes, along z, y, x, of 8 or 16 bits, with the voxel size of `model` unless `membranes`
        are given.
    labels : str, path, Volume or array, optional
        Segments with the same voxels, which may cover a part. Without them, the synapses are points without partners.
    box : Box or str, optional
        Where to search, along z, y, x; the whole image if None.
    membranes : str, path, Volume or array, optional
        Membrane map, uint8, 255 is membrane, with the same voxels; that of `model` if None.
    model : str
        Name of a network, or path of its model card.
    synapse_threshold : int
        Minimum score of a voxel; 0 is the median grey value, 100 the first percentile. Synapses that touch each other
        are separated if each has a peak and they have different partners.
    min_synapse_volume_um3 : float
        Minimum volume of a synapse, in cubic micrometres.
    min_synapse_peak : int
        Minimum peak score of a synapse.
    min_area_um2 : float
        Minimum contact area of the two partners, in square micrometres.
    min_asymmetry : float
        Minimum asymmetry of the evidence for the direction, from 0 to 1; synapses below it are undirected.
    voxel_size_nm : (z, y, x), optional
        Voxel size of arrays.
    block : (z, y, x), optional
        Shape of a block, without effect on the result.
    service : str, optional
        ``local``, or the name of the service of another package, which is called with what is given here.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    Annotations
        With `labels`, lines from a voxel of the presynaptic segment to one of the postsynaptic, those nearest to the
        centre, with the relations ``pre_segment`` and ``post_segment``; otherwise points. Ids are the same for every
        box. Properties: ``score`` (mean of its voxels, from 0 to 1), ``size_voxels`` and, of lines, ``area_um2`` of the
        contact, and ``directed`` (0 where the direction is not known; then the smaller id is `pre_segment`).

    Raises
    ------
    InvalidInput
        If the volumes do not suit the detector, or do not have the same voxels; names all that is wrong.
    InvalidBox
        If the box is not inside the image.

    Examples
    --------
    >>> found = voxome.synapses("raw.zarr", "neurons.zarr", box="0:64,:,:")      # doctest: +SKIP
    >>> found.positions_nm[:, 0], found.relations["pre_segment"]                 # doctest: +SKIP
    """
    image = as_volume(volume, voxel_size_nm=voxel_size_nm if isinstance(volume, np.ndarray) else None)
    segments, map_ = (None if one is None else _like(image, one) for one in (labels, membranes))
    options: dict[str, Any] = {
        "model": model,
        "synapse_threshold": synapse_threshold,
        "min_synapse_volume_um3": min_synapse_volume_um3,
        "min_synapse_peak": min_synapse_peak,
        "min_area_um2": min_area_um2,
        "min_asymmetry": min_asymmetry,
    }
    chosen = choose(service, image, _NAME, None)
    if chosen != LOCAL:
        changed = chosen_options(synapses, **options, block=block, progress=progress)
        found: Annotations = call_service(chosen, image, segments, box=box, membranes=map_, **changed)
        return found
    require_function("progress", progress)
    shape = BLOCK if block is None else require_voxels("block", block)
    options = _checked(options)
    _require_suitable(image, segments, map_, options)
    region = image.spec.spatial_box(resolve_box(image.spec, box))
    with tempfile.TemporaryDirectory(prefix="voxome-synapses-") as folder:
        rows, pieces = Detector(
            image.source,
            None if map_ is None else map_.source,
            None if segments is None else partial(read_ids, segments),
            region,
            Path(folder),
            options["model"],
            options["synapse_threshold"],
            options["min_synapse_peak"],
            shape,
            progress,
        ).run()
    inputs = {"image": image, "labels": segments, "membranes": map_}
    made = Provenance.now(
        _NAME,
        LOCAL,
        densities.spec.name,
        densities.spec.version,
        {"box": str(region), **options},
        [input_record(name, one.source, one.uri) for name, one in inputs.items() if one is not None],
    )
    return _annotations(rows, pieces, image, segments, region, options, made)


def _like(image: Volume, other: VolumeLike) -> Volume:
    """Return a volume; an array has the voxel size of the image."""
    return as_volume(other, voxel_size_nm=image.voxel_size_nm if isinstance(other, np.ndarray) else None)


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the tools, with their types and in their ranges.

    Raises
    ------
    InvalidInput
    """
    checked: dict[str, Any] = {}
    for tool in (network, densities, graph):
        checked |= tool.spec.bind({name: one for name, one in options.items() if name in tool.spec.parameters})
    return {name: checked[name] for name in options}


def _require_suitable(image: Volume, labels: Volume | None, membranes: Volume | None, options: dict[str, Any]) -> None:
    """Raise with everything that prevents the detection."""
    given = {"labels": labels, "membranes": membranes}
    problems = [
        *_image_problems(image, membranes, options),
        *(one for name, volume in given.items() if volume is not None for one in _problems(name, volume, image)),
    ]
    if problems:
        raise InvalidInput(f"Cannot search for synapses: {'; '.join(problems)}")


def _image_problems(image: Volume, membranes: Volume | None, options: dict[str, Any]) -> Iterator[str]:
    name = image.uri or "the image"
    if image.axes != _AXES:
        yield f"{name} has axes {'/'.join(image.axes)}; expected z/y/x: choose a channel or time, as with ?c=0"
        return
    specs = {"raw": image.spec} | ({} if membranes is None else {"membranes": membranes.spec})
    checks = [(statistics, {"image": image.spec}), (network, specs)]
    for tool, volumes in checks:
        if tool.spec.check is not None:
            yield from tool.spec.check(volumes, options)


def _problems(name: str, volume: Volume, image: Volume) -> Iterator[str]:
    if name == "labels" and volume.dtype.kind not in "iu":
        yield f"labels are {volume.dtype}; expected whole numbers"
    if name == "membranes" and volume.dtype != np.uint8:
        yield f"membranes are {volume.dtype}; expected uint8, 255 being membrane"
    if volume.axes != _AXES:
        yield f"{name} have axes {'/'.join(volume.axes)}; expected z/y/x"
    if not volume.axes == image.axes == _AXES:
        return
    if name == "membranes" and volume.domain != image.domain:
        yield f"membranes have the voxels {volume.domain}, the image {image.domain}; expected the same"
    elif (volume.domain & image.domain).empty:
        yield f"{name} have the voxels {volume.domain}, none of which is in the image, {image.domain}"
    if problem := placement_problem(image.uri or "the image", image.spec, name, volume.spec):
        yield problem


def read_ids(labels: Volume, box: Box) -> NDArray[np.uint64]:
    """Return the ids in a box, 0 beyond the volume.

    Raises
    ------
    InvalidInput
        If an id is negative.
    """
    ids, inside = np.zeros(box.shape, np.uint64), box & labels.domain
    if not inside.empty:
        values = labels.source.read(inside)
        if values.dtype.kind == "i" and values.size and values.min() < 0:
            raise InvalidInput(
                f"{labels.uri or 'the labels'} have the id {values.min()} in {inside}; expected ids of at least 0: "
                "set voxels without a segment to 0"
            )
        ids[inside.within(box)] = values
    return ids


def _annotations(
    rows: SynapseRows,
    pieces: Pieces,
    image: Volume,
    labels: Volume | None,
    box: Box,
    options: dict[str, Any],
    made: Provenance,
) -> Annotations:
    """Return the synapses whose centre is in the box, as lines between their partners, or as points."""
    size = image.voxel_size_nm
    assert size is not None, "the network's check requires a voxel size"
    least = min_voxels(options["min_synapse_volume_um3"], size)
    limits = PartnerParams(options["min_area_um2"], options["min_asymmetry"])
    if labels is not None:
        rows = resolve(rows, pieces, size, limits, least, options["min_synapse_peak"])
    objects = _centred(select_objects(rows.objects, least, options["min_synapse_peak"]), box, image.domain)
    if labels is None:
        at = (objects["centre"][:, None] + 0.5) * size
        return Annotations("point", objects["id"], at, _properties(objects), provenance=made)
    known = (_select(one, objects["id"]) for one in (rows.contacts, rows.faces))
    pairs = partners(*known, voxel_size_nm=size, params=limits)
    objects = {name: values[np.isin(objects["id"], pairs["synapse_id"])] for name, values in objects.items()}
    ends = np.stack([pairs["pre_id"], pairs["post_id"]], axis=1)
    at = partner_points(objects, ends, partial(read_ids, labels), image.domain, size)
    extra = {"area_um2": pairs["area_um2"], "directed": pairs["directed"].astype(np.uint8)}
    relations = {name: list(ends[:, column, None]) for column, name in enumerate(("pre_segment", "post_segment"))}
    return Annotations("line", objects["id"], at, _properties(objects) | extra, relations, made)


def _centred(objects: Rows, box: Box, domain: Box) -> Rows:
    """Return the objects whose centre of mass is in the box, with the centre in voxels."""
    centre = np.stack([objects[axis] / objects["voxels"] for axis in "zyx"], axis=1) + domain.start
    voxel = np.floor(centre + 0.5)
    inside = ((voxel >= box.start) & (voxel < box.stop)).all(axis=1)
    return {name: values[inside] for name, values in {**objects, "centre": centre}.items()}


def _properties(objects: Rows) -> dict[str, NDArray[Any]]:
    return {"score": objects["score"] / (255.0 * objects["voxels"]), "size_voxels": objects["voxels"]}


def _select(rows: Rows, ids: NDArray[np.uint64]) -> Rows:
    keep = np.isin(rows["synapse_id"], ids)
    return {name: values[keep] for name, values in rows.items()}
