"""Layers of Neuroglancer: labels, with meshes and skeletons in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from voxome.calls import explain_calls
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Location, Uri, location_text
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume

Triple = tuple[float, float, float]

_NM = 1e-9
_CORNERS: Mapping[str, Callable[[Triple, Triple], Triple]] = {
    "precomputed": lambda size, offset: (0.0, 0.0, 0.0),
    "zarr": lambda size, offset: (offset[0] - size[0] / 2, offset[1] - size[1] / 2, offset[2] - size[2] / 2),
}
"""Format of the labels → where Neuroglancer shows the corner of voxel 0 (z, y, x in nm), by voxel size and offset."""


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
        If the labels are neither precomputed nor OME-Zarr.
    InvalidInput
        If their voxel size is unknown.
    """
    volume = as_volume(labels)
    scheme = Uri.parse(volume.uri).scheme
    if scheme not in _CORNERS:
        raise UnsupportedFormat(
            f"{volume.uri}: expected labels in {' or '.join(_CORNERS)}, beside which Neuroglancer shows shapes, not in "
            f"{scheme}; convert them"
        )
    corner = _CORNERS[scheme](*_scale_of(volume.spec, volume.uri))
    moved = [
        {"url": location_text(one), **({"transform": _transform(corner)} if any(corner) else {})} for one in shapes
    ]
    return {"type": "segmentation", "name": name, "source": [{"url": volume.uri}, *moved]}


def _scale_of(spec: VolumeSpec, uri: str) -> tuple[Triple, Triple]:
    if spec.voxel_size_nm is None:
        raise InvalidInput(f"{uri} has no voxel size, so that the place of shapes is unknown; set it in its metadata")
    return spec.voxel_size_nm, spec.offset_nm


def _transform(corner: Triple) -> dict[str, Any]:
    z, y, x = corner
    return {
        "outputDimensions": {axis: [_NM, "m"] for axis in "xyz"},
        "matrix": [[1, 0, 0, x], [0, 1, 0, y], [0, 0, 1, z]],
    }
