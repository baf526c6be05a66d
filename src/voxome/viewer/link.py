"""Links to volumes in Neuroglancer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_text
from voxome.contracts.ragged import as_labels
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, UnsupportedFormat, describe_value
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume
from voxome.viewer.addresses import build_source
from voxome.viewer.state_text import build_link
from voxome.viewer.states import Layer, LayerType, build_state

VIEWER = "https://neuroglancer-demo.appspot.com"
"""Where Neuroglancer runs, unless another address is given."""


@explain_calls
def link(
    volume: Volume,
    *,
    viewer: str = VIEWER,
    name: str | None = None,
    segments: Iterable[int] = (),
    **others: str | Volume,
) -> str:
    """Return a link that shows a volume in Neuroglancer.

    Parameters
    ----------
    volume : Volume
        In a format that Neuroglancer reads, at an address that browsers reach.
    viewer : str
        Address of a Neuroglancer.
    name : str, optional
        Name of the layer; by default the last part of the address.
    segments : iterable of int
        Ids that are selected, if the volume has labels.
    **others : str or Volume
        Further volumes, by the names of their layers, which are shown below it.

    Returns
    -------
    str
        Link with the whole state, without credentials.

    Raises
    ------
    UnsupportedFormat
        If Neuroglancer does not read the format of a volume.
    InvalidInput
        If a volume is on this machine, or `segments` are given for an image.
    """
    require_text("viewer", viewer)
    ids = as_labels("segments", list(segments)).tolist()
    if ids and volume.spec.kind != "labels":
        raise InvalidInput(f"{volume.uri} is an image, which has no segments; open labels, or leave out segments")
    below = [_layer(_volume(one), key) for key, one in others.items()]
    return build_link(build_state([*below, _layer(volume, name, ids)], volume.spec.voxel_size_nm), viewer)


def _volume(given: str | Volume) -> Volume:
    if not isinstance(given, str | Volume):
        raise InvalidInput(f"{describe_value(given)} is not a layer; expected a URI or a Volume")
    return as_volume(given)


def _layer(volume: Volume, name: str | None, segments: Sequence[int] = ()) -> Layer:
    if not volume.uri:
        raise UnsupportedFormat(
            "Neuroglancer does not read an array of this process; serve it with `voxome view`, or store it"
        )
    uri = Uri.parse(volume.reveal_uri())
    type: LayerType = "segmentation" if volume.spec.kind == "labels" else "image"
    return Layer(name or uri.path.rstrip("/").rpartition("/")[2], type, build_source(uri), tuple(segments))
