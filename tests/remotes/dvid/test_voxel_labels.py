"""Labels at points that are not sent to the server."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from voxome.errors import CorruptData
from voxome.remotes.dvid.label_blocks import compress, encode, join_blocks
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.voxel_labels import read_labels
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow


@pytest.fixture
def voxels(node, create_instance):
    """Labels of a box that starts 16 voxels below 0, as another client wrote them."""
    create_instance("labelmap", "segmentation", BlockSize="16,16,16", MaxDownresLevel="1")
    whole = noise((32, 32, 32), np.dtype("uint64"))
    blocks = []
    for z, y, x in np.ndindex(2, 2, 2):
        part = whole[16 * z : 16 * z + 16, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
        blocks.append(((z - 1, y - 1, x - 1), compress(encode(np.ascontiguousarray(part)))))
    node.post("segmentation", "blocks", content=join_blocks(blocks), downres="true")
    return whole


@pytest.mark.parametrize("supervoxels", [False, True])
def test_points_below_0_have_the_labels_of_their_voxels(node, voxels, supervoxels):
    points = np.random.default_rng(0).integers(-20, 20, (500, 3))
    inside = ((points >= -16) & (points < 16)).all(axis=1)
    expected = np.where(inside, voxels[tuple((np.clip(points, -16, 15) + 16).T)], 0)
    labels = Labels(node, "segmentation")
    assert_array_equal(labels.at(points, supervoxels=supervoxels), expected)
    assert_array_equal(labels.at(points[:1]), expected[:1])


def test_coarser_levels_are_looked_up_below_0(node, voxels):
    labels = Labels(node, "segmentation")
    body = node.get("segmentation", "raw", "0_1_2", "16_16_16", "-8_-8_-8", scale=1).content
    coarse = np.frombuffer(body, "<u8").reshape(16, 16, 16)
    points = np.argwhere(coarse >= 0) - 8
    assert_array_equal(labels.at(points, scale=1), coarse.ravel())
    assert labels.at([[-9, 0, 0], [8, 0, 0]], scale=1).tolist() == [0, 0]


def test_points_below_0_are_never_sent(node, create_instance, monkeypatch):
    create_instance("labelmap", "segmentation", BlockSize="16,16,16")
    sent = []
    send = Labels._query

    def query(self, *parts, body, **params):
        sent.extend(body)
        return send(self, *parts, body=body, **params)

    monkeypatch.setattr(Labels, "_query", query)
    points = [[-1, 2, 3], [4, 5, 6], [7, -8, 9], [2**31, 0, 0], [1, 1, -(2**40)]]
    assert Labels(node, "segmentation").at(points).tolist() == [0] * 5
    assert sent == [[6, 5, 4]]


def test_a_response_of_the_wrong_length_is_refused(node, voxels, monkeypatch):
    get = Node.get

    def shorten(self, instance, *parts, **params):
        response = get(self, instance, *parts, **params)
        if parts[0] == "raw":
            response._content = response.content[:-1]
        return response

    monkeypatch.setattr(Node, "get", shorten)
    with pytest.raises(CorruptData, match="sent 7 bytes"):
        read_labels(node, "segmentation", np.array([[-1, -1, -1]]))
