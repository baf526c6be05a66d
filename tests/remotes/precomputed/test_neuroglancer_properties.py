"""Neuroglancer itself reads the properties of segments that we write, in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from peers.chromium import Visit
from peers.neuroglancer import Show

import voxome
from voxome.contracts.uri import Uri
from voxome.remotes.precomputed.segment_properties import write_segment_properties

pytestmark = pytest.mark.slow

IDS = np.array([2**53, 2**53 + 1, 2**63 + 5], np.uint64)
PROPERTIES = """() => {
  const state = viewer.layerManager.managedLayers[0].layer.displayState.segmentationGroupState.value;
  const map = state.segmentPropertyMap.value.segmentPropertyMap;
  const inline = map.inlineProperties;
  const ids = Array.from(new BigUint64Array(inline.ids.slice().buffer)).map(String);  // 2.40 has pairs of uint32
  return {ids, properties: inline.properties.map(p => ({id: p.id, type: p.type, values: Array.from(p.values)}))};
}"""


def test_properties_are_read_with_all_bits(
    tmp_path: Path, serve_by_nginx: Callable[..., str], show_in_neuroglancer: Show, visit: Visit
) -> None:
    labels = np.zeros((8, 8, 8), np.uint64)
    labels[0, 0, :3] = IDS
    voxome.put(labels, f"precomputed://{tmp_path}/seg", voxel_size_nm=(8, 8, 8), kind="labels")
    columns = {"voxels": np.array([3, 2**32 - 1, 1]), "mean": np.array([0.1, -2.5, 3e38])}
    write_segment_properties(Uri.parse(f"precomputed://{tmp_path}/seg/measures"), IDS, columns)
    server = serve_by_nginx(tmp_path)
    layer = {"type": "segmentation", "name": "seg", "source": f"precomputed://{server}/seg"}
    show_in_neuroglancer(visit, {"layers": [layer]})
    found = visit.page.evaluate(PROPERTIES)
    assert found["ids"] == [str(one) for one in IDS.tolist()]
    assert [(one["id"], one["type"]) for one in found["properties"]] == [("voxels", "number"), ("mean", "number")]
    voxels, mean = (one["values"] for one in found["properties"])
    assert voxels == columns["voxels"].tolist()
    assert np.array(mean, np.float32).tolist() == columns["mean"].astype(np.float32).tolist()
