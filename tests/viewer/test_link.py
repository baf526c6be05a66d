from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume
from voxome.viewer.state_text import read_state


def volume(uri: str, kind: VolumeKind = "image") -> Volume:
    """Return a volume as if it were at an address that nothing here opens."""
    dtype = "uint64" if kind == "labels" else "uint8"
    source = voxome.create(
        f"memory://{uuid4()}", VolumeSpec.of((4, 5, 6), dtype, kind=kind, voxel_size_nm=(40, 8, 4))
    ).source
    return Volume(source, uri)


def test_a_link_opens_as_the_layers_it_was_made_of() -> None:
    em = volume("precomputed://gs://bucket/em")
    url = volume("zarr://https://host/cells.zarr", "labels").link(
        segments=[2**63 + 5], em=em, viewer="https://lab.org/ng"
    )
    assert url.startswith("https://lab.org/ng/#!")
    layers = voxome.open_link(url)
    assert {name: layers.uris(name) for name in layers} == {
        "em": ["precomputed://gs://bucket/em"], "cells.zarr": ["zarr://https://host/cells.zarr"],
    }  # fmt: skip
    assert layers.segments("cells.zarr") == [2**63 + 5]
    state = read_state(url)
    assert [one["type"] for one in state["layers"]] == ["image", "segmentation"]
    assert [state["dimensions"][axis][0] for axis in "xyz"] == pytest.approx([4e-9, 8e-9, 4e-8])


def test_what_a_browser_cannot_reach_is_refused(tmp_path: Path) -> None:
    local = voxome.create(f"zarr://{tmp_path}/a.zarr", VolumeSpec.of((4, 5, 6), "uint8"))
    with pytest.raises(InvalidInput, match="on this machine"):
        local.link()
    with pytest.raises(UnsupportedFormat, match="Neuroglancer does not read"):
        as_volume(np.zeros((2, 2, 2), np.uint8)).link()
    with pytest.raises(InvalidInput, match="which has no segments"):
        volume("precomputed://gs://bucket/em").link(segments=[1])
    with pytest.raises(InvalidInput, match="is not a layer"):
        volume("precomputed://gs://bucket/em").link(other=3)
