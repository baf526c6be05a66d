from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.spec import VolumeSpec
from voxome.viewer.layers import Layers
from voxome.viewer.states import Extent, Layer, build_state


def test_a_state_has_its_layers_in_order_with_ids_as_text() -> None:
    id = 2**63 + 5
    state = build_state(
        [
            Layer("em", "image", "precomputed://https://host/em", visible=False),
            Layer("cells", "segmentation", "precomputed://https://host/cells", (id,), {id: (255, 0, 16)}),
            Layer("synapses", "annotation", "precomputed://https://host/s", linked={"pre": "cells"}),
        ],
        (40, 8, 4),
    )
    em, cells, synapses = state["layers"]
    assert em["visible"] is False
    assert cells["segments"] == [str(id)]
    assert cells["segmentColors"] == {str(id): "#ff0010"}
    assert synapses["linkedSegmentationLayer"] == {"pre": "cells"}
    assert [state["dimensions"][axis][0] for axis in "xyz"] == pytest.approx([4e-9, 8e-9, 4e-8])
    assert Layers(state).segments("cells") == [id]


def test_without_a_voxel_size_the_viewer_chooses_its_unit() -> None:
    assert "dimensions" not in build_state([Layer("em", "image", "zarr://https://host/em")])


def test_a_volume_is_seen_whole_at_first() -> None:
    spec = VolumeSpec.of((10, 40, 60), "uint8", voxel_size_nm=(40, 8, 4), offset_nm=(400, 80, 40))
    extent = Extent.of(spec)
    assert extent is not None
    state = build_state([Layer("em", "image", "")], (40, 8, 4), extent)
    assert state["position"] == [30, 20, 5]
    assert state["projectionScale"] > state["crossSectionScale"] * 100 > 0
    assert "position" not in build_state([Layer("em", "image", "")], None, extent)
    assert Extent.of(VolumeSpec.of((10, 40, 60), "uint8")) is None
    places = np.array([[10.0, 90, 50], [190, 170, 130], [300, 100, 1000]])
    state = build_state([Layer("em", "image", "")], (40, 8, 4), extent.through(places))
    assert state["position"] == [32.5, 21.25, 4.75]
    assert extent.through(places[2:]) == extent
