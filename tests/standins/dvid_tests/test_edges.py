"""What a real server does at its edges: below 0, with blocks of other sizes, and without extents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standins.dvid.codecs import compression, label_block

from .conftest import ROOT, Client

pytestmark = pytest.mark.slow


def labels(*, below_0: bool = False) -> tuple[Client, str]:
    """Return a client and the path of a labelmap with the labels 1 to 4096, and perhaps with label 9999 below 0."""
    client = Client()
    client.add("labelmap", "seg", BlockSize="16,16,16")
    client.write(ROOT, "seg", np.arange(1, 4097, dtype=np.uint64).reshape(16, 16, 16))
    if below_0:
        block = compression.gzip_encode(label_block.encode(np.full((16, 16, 16), 9999, np.uint64)))
        client.ok("POST", f"node/{ROOT}/seg/blocks", compression.encode_record((-1, 0, 0), block))
    return client, f"node/{ROOT}/seg"


@pytest.mark.parametrize("block", ["8,8,8", "24,16,16", "16,16,40"])
def test_a_labelmap_has_blocks_of_multiples_of_16(client: Client, block: str) -> None:
    sent = {"typename": "labelmap", "dataname": "seg", "BlockSize": block}
    answer = client.request("POST", f"repo/{ROOT}/instance", sent)
    assert answer.status_code == 400
    assert b"multiples of 16" in answer.body


def test_points_below_0_have_labels_of_other_voxels_beside_points_inside() -> None:
    client, path = labels()
    assert client.json("GET", f"{path}/labels", [[-1, 2, 3]]) == [0]
    assert client.json("GET", f"{path}/labels", [[-1, 2, 3], [0, 0, 0]]) == [1 + 1 + 2 * 16 + 3 * 256, 1]


def test_labels_below_0_end_the_server() -> None:
    client, path = labels(below_0=True)
    assert client.json("GET", f"{path}/label/-1_0_0") == {"Label": 9999}
    assert client.request("GET", f"{path}/sparsevol/5").status_code == 200
    assert client.request("GET", f"{path}/sparsevol/9999").status_code == 500
    assert client.request("GET", f"{path}/sparsevol/5").status_code == 500


def test_raw_labels_below_0_fail_and_change_the_extents() -> None:
    client, path = labels()
    answer = client.write(ROOT, "seg", np.ones((16, 16, 16), np.uint64), "-16_0_0")
    assert answer.status_code == 500
    assert client.json("GET", f"{path}/info")["Extended"]["MinPoint"] == [-16, 0, 0]


@pytest.mark.parametrize(("box", "status"), [("minz=20&maxz=30", 404), ("minz=-5&maxz=-1", 200), ("minx=1", 200)])
def test_a_box_without_the_label_is_empty_in_its_blocks_and_missing_elsewhere(box: str, status: int) -> None:
    client, path = labels()
    bounds = dict(pair.split("=") for pair in box.split("&"))
    answer = client.request("GET", f"{path}/sparsevol/1", **bounds)
    assert (answer.status_code, answer.body) == (status, b"")
    blocks = client.request("GET", f"{path}/sparsevol/1", format="blocks", **bounds)
    assert (blocks.status_code, bool(blocks.body)) == (status, status == 200)


@pytest.mark.parametrize("typename", ["labelblk", "labelarray"])
def test_extents_of_older_labels_cannot_be_set(client: Client, typename: str) -> None:
    client.add(typename, "old")
    extents: dict[str, Any] = {"MinPoint": [0, 0, 0], "MaxPoint": [9, 9, 9]}
    answer = client.request("POST", f"node/{ROOT}/old/extents", extents)
    assert answer.status_code == 400
    assert b"Bad API call" in answer.body


def test_mutating_absent_blocks_of_a_labelarray_ends_the_server(client: Client) -> None:
    client.add("labelarray", "old", BlockSize="16,16,16")
    block = np.ones((16, 16, 16), np.uint64)
    assert client.write(ROOT, "old", block).status_code == 200
    assert client.write(ROOT, "old", block, mutate=True).status_code == 200
    assert client.write(ROOT, "old", block, "16_0_0", mutate=True).status_code == 500
