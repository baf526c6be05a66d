"""Layers of Neuroglancer: labels, with meshes and skeletons in their place."""

from __future__ import annotations

from typing import Any

from voxome.calls import explain_calls
from voxome.contracts.abilities import ability
from voxome.contracts.neuroglancer import SupportsNeuroglancerFrame
from voxome.contracts.uri import Location, location_text
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume

Triple = tuple[float, float, float]

_NM = 1e-9


@explain_calls
def neuroglancer_layer(labels: str | Volume, *shapes: Location, name: str = "labels") -> dict[str, Any]:
    """Return a layer of Neuroglancer that shows labels together with their meshes and skeletons.

    Shapes are in nm from the corner of voxel 0. Neuroglancer shows the labels of a precomputed volume in that frame,
    but those of an OME-Zarr at the positions of their metadata: the layer moves the shapes there.

    Parameters
    ----------
    labels : str or Volume
        Labels at an address that the viewer reaches: ``zarr://https://host/labels.zarr``.
    *shapes : str
        URIs of meshes or skeletons: ``precomputed://https://host/mesh``.
    name : str
        Name of the layer.

    Returns
    -------
    dict
        An element of ``layers`` in the JSON state of the viewer.

    Raises
    ------
    UnsupportedFormat
        If Neuroglancer shows no shapes beside labels of this format.
    InvalidInput
        If their voxel size is unknown.
    """
    volume = as_volume(labels)
    frame = ability(volume.source, SupportsNeuroglancerFrame)
    if frame is None:
        raise UnsupportedFormat(
            f"{volume.uri}: Neuroglancer shows no shapes beside labels of this format; copy them to precomputed:// or "
            "zarr://"
        )
    corner = frame.neuroglancer_corner_nm
    if corner is None:
        raise InvalidInput(
            f"{volume.uri} has no voxel size, so that the place of shapes is unknown; set it in its metadata"
        )
    moved = [
        {"url": location_text(one), **({"transform": _transform(corner)} if any(corner) else {})} for one in shapes
    ]
    return {"type": "segmentation", "name": name, "source": [{"url": volume.uri}, *moved]}


def _transform(corner: Triple) -> dict[str, Any]:
    z, y, x = corner
    return {
        "outputDimensions": {axis: [_NM, "m"] for axis in "xyz"},
        "matrix": [[1, 0, 0, x], [0, 1, 0, y], [0, 0, 1, z]],
    }
