"""The smaller types of data instances."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from standins.dvid import Service, serving
from standins.dvid.types.catalogue import TYPES
from standins.dvid.types.partition import partition

from .conftest import ROOT, Client

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "typename", ["uint8blk", "uint16blk", "uint32blk", "uint64blk", "float32blk", "labelblk", "labelarray"]
)
def test_voxels_of_every_dtype(client: Client, typename: str) -> None:
    client.add(typename, "voxels", BlockSize="8,16,32")
    info = client.json("GET", f"node/{ROOT}/voxels/info")["Extended"]
    dtype = info["Values"][0]["DataType"]
    array = np.random.default_rng(0).integers(0, 255, (32, 32, 16)).astype(dtype)
    assert client.write(ROOT, "voxels", array, "-8_16_32").status_code == 200
    raw = client.ok("GET", f"node/{ROOT}/voxels/raw/0_1_2/9_11_13/-5_17_40")
    assert_array_equal(np.frombuffer(raw, dtype).reshape(13, 11, 9), array[8:21, 1:12, 3:12])
    info = client.json("GET", f"node/{ROOT}/voxels/info")["Extended"]
    assert (info["MinPoint"], info["MaxPoint"]) == ([-8, 16, 32], [7, 47, 63])


@pytest.mark.parametrize(("axes", "expected"), [("xy", (5, 4)), ("xz", (6, 4)), ("yz", (6, 5))])
def test_planes_are_images(client: Client, axes: str, expected: tuple[int, int]) -> None:
    from PIL import Image

    client.add("uint8blk", "grey", BlockSize="8,8,8")
    array = np.arange(512, dtype=np.uint8).reshape(8, 8, 8)
    client.write(ROOT, "grey", array)
    size = {"x": 4, "y": 5, "z": 6}
    path = f"node/{ROOT}/grey/raw/{axes}/{size[axes[0]]}_{size[axes[1]]}/0_1_2/png"
    image = np.asarray(Image.open(io.BytesIO(client.ok("GET", path))))
    extent = [size[axis] if axis in axes else 1 for axis in "xyz"]
    cut = array[2 : 2 + extent[2], 1 : 1 + extent[1], : extent[0]]
    assert image.shape == expected
    assert_array_equal(image, np.squeeze(cut))


def test_rows_of_blocks_survive_a_round_trip(client: Client) -> None:
    client.add("uint8blk", "grey", BlockSize="8,8,8")
    row = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 8)).astype(np.uint8)
    client.ok("POST", f"node/{ROOT}/grey/blocks/-1_0_2/3", row.tobytes())
    assert client.ok("GET", f"node/{ROOT}/grey/blocks/-1_0_2/3") == row.tobytes()
    raw = client.ok("GET", f"node/{ROOT}/grey/raw/0_1_2/8_8_8/0_0_16")
    assert_array_equal(np.frombuffer(raw, np.uint8).reshape(8, 8, 8), row[1])


def test_the_partition_centres_its_rows() -> None:
    result = partition([(5, 4, 1, 3), (5, 5, 1, 1), (9, 4, 0, 0)], 2, (32, 32, 32))
    corners = [cube["MinChunk"] for cube in result["Subvolumes"]]
    assert corners == [[1, 4, 5], [3, 4, 5], [0, 4, 7]]
    assert (result["NumActiveBlocks"], result["NumSubvolumes"]) == (5, 3)


def test_spans_are_stored_as_sent(client: Client) -> None:
    client.add("roi", "roi")
    client.ok("POST", f"node/{ROOT}/roi/roi", [[1, 0, 3, 4], [0, 2, 0, 0], [1, 0, 5, 5]])
    assert client.json("GET", f"node/{ROOT}/roi/roi") == [[0, 2, 0, 0], [1, 0, 3, 4], [1, 0, 5, 5]]


def synapses(client: Client) -> str:
    client.add("annotation", "points")
    elements = [
        {"Pos": [1, 2, 3], "Kind": "PreSyn", "Tags": ["t"], "Rels": [{"Rel": "PreSynTo", "To": [70, 2, 3]}]},
        {"Pos": [70, 2, 3], "Kind": "PostSyn", "Rels": [{"Rel": "PostSynTo", "To": [1, 2, 3]}]},
    ]
    client.ok("POST", f"node/{ROOT}/points/elements", elements)
    return f"node/{ROOT}/points"


def test_relations_follow_a_move_and_a_deletion(client: Client) -> None:
    at = synapses(client)
    client.ok("POST", f"{at}/move/70_2_3/140_2_3")
    (pre,) = client.json("GET", f"{at}/tag/t", relationships=True)
    assert pre["Rels"] == [{"Rel": "PreSynTo", "To": [140, 2, 3]}]
    assert list(client.json("GET", f"{at}/all-elements")) == ["0,0,0", "2,0,0"]
    client.ok("DELETE", f"{at}/element/140_2_3")
    (pre,) = client.json("GET", f"{at}/tag/t", relationships=True)
    assert pre["Rels"] == []
    assert client.request("DELETE", f"{at}/element/140_2_3").status_code == 400
    assert client.request("POST", f"{at}/move/140_2_3/1_1_1").status_code == 400


def test_an_invalid_element_stores_none_of_its_list(client: Client) -> None:
    at = synapses(client)
    wrong = [{"Pos": [9, 9, 9], "Kind": "Note"}, {"Pos": [8, 8, 8], "Kind": "Nonsense"}]
    assert client.request("POST", f"{at}/elements", wrong).status_code == 400
    assert client.json("GET", f"{at}/elements/20_20_20/0_0_0") == [
        {"Pos": [1, 2, 3], "Kind": "PreSyn", "Tags": ["t"], "Prop": {}, "Rels": [{"Rel": "PreSynTo", "To": [70, 2, 3]}]}
    ]


def test_elements_are_counted_by_body(client: Client) -> None:
    at = synapses(client)
    client.add("labelmap", "seg", BlockSize="16,16,16")
    client.add("labelsz", "sizes")
    client.ok("POST", f"{at}/sync", {"sync": "seg"})
    client.ok("POST", f"node/{ROOT}/sizes/sync", {"sync": "points"})
    voxels = np.ones((16, 16, 80), np.uint64)
    voxels[:, :, 64:] = 2
    client.write(ROOT, "seg", voxels)
    assert client.json("GET", f"node/{ROOT}/sizes/top/5/AllSyn") == [{"Label": 1, "Size": 1}, {"Label": 2, "Size": 1}]
    client.ok("POST", f"node/{ROOT}/seg/merge", [2, 1])
    assert client.json("GET", f"node/{ROOT}/sizes/threshold/2/AllSyn") == [{"Label": 2, "Size": 2}]
    assert client.json("GET", f"node/{ROOT}/sizes/counts/PreSyn", [1, 2]) == [
        {"Label": 1, "PreSyn": 0},
        {"Label": 2, "PreSyn": 1},
    ]


def test_fields_are_merged(client: Client) -> None:
    client.add("neuronjson", "neurons")
    at = f"node/{ROOT}/neurons"
    client.ok("POST", f"{at}/key/7", {"bodyid": 7, "type": "a", "hits": [1, 2]}, u="ana")
    client.ok("POST", f"{at}/key/7", {"bodyid": 7, "type": "b", "hits": None}, u="ben")
    assert client.json("GET", f"{at}/key/7") == {"bodyid": 7, "type": "b", "hits": None}
    booked = {"type_user": "ben", "hits_user": "ben"}
    assert client.json("GET", f"{at}/key/7", show="user") == {"bodyid": 7, "type": "b", "hits": None, **booked}
    client.ok("POST", f"{at}/key/7", {"bodyid": 7, "type": "c", "new": 1}, u="ben", conditionals="type,new")
    assert client.json("GET", f"{at}/key/7", fields="type,new") == {"bodyid": 7, "type": "b", "new": 1}
    client.ok("POST", f"{at}/key/7", {"bodyid": 7, "type": "b", "by": 2, "by_user": "her"}, u="cia")
    expected = {"bodyid": 7, "type": "b", "type_user": "ben", "by": 2, "by_user": "her"}
    assert client.json("GET", f"{at}/key/7", show="user", fields="type,by") == expected
    client.ok("POST", f"{at}/key/7", {"bodyid": 7}, u="ben", replace=True)
    assert client.json("GET", f"{at}/key/7") == {"bodyid": 7}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "x"}, [1]),
        ({"type": "re/^[xy]"}, [1, 2]),
        ({"type": ["x", "re/y"]}, [1, 2]),
        ({"hits": 5}, [1]),
        ({"type": "exists/0"}, [3]),
        ({"type": "exists/1", "hits": "exists/0"}, [2]),
        ([{"type": "x"}, {"bodyid": 3}], [1, 3]),
        ({"absent": None}, []),
        ({"type": 1}, []),
        ({"bodyid": True}, []),
        ({"bodyid": ["1", 1]}, []),
        ([], []),
        ({}, [1, 2, 3]),
    ],
)
def test_queries_match_fields(client: Client, query: Any, expected: list[int]) -> None:
    client.add("neuronjson", "neurons")
    for neuron in ({"bodyid": 1, "type": "x", "hits": [4, 5]}, {"bodyid": 2, "type": "yx"}, {"bodyid": 3}):
        client.ok("POST", f"node/{ROOT}/neurons/key/{neuron['bodyid']}", neuron, u="ana")
    client.commit(ROOT)
    assert client.json("GET", f"node/{ROOT}/neurons/query", query, onlyid=True) == expected
    assert client.request("POST", f"node/{ROOT}/neurons/query", query).status_code == 400


def test_supervoxel_files_are_loaded_from_an_archive(client: Client) -> None:
    client.add("labelmap", "seg", BlockSize="16,16,16")
    client.add("tarsupervoxels", "meshes", Extension="drc")
    client.ok("POST", f"node/{ROOT}/meshes/sync", {"sync": "seg"})
    client.write(ROOT, "seg", np.full((16, 16, 16), 4, np.uint64))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("4.drc")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    client.ok("POST", f"node/{ROOT}/meshes/load", out.getvalue())
    with tarfile.open(fileobj=io.BytesIO(client.ok("GET", f"node/{ROOT}/meshes/tarfile/4"))) as archive:
        assert archive.getnames() == ["4.drc"]
    assert client.request("HEAD", f"node/{ROOT}/meshes/tarfile/4").status_code == 200


def test_throttled_requests_over_the_limit_are_refused() -> None:
    service = Service("secret", throttled=1)
    with serving(service=service) as url, service.slot():
        handle = httpx.get(f"{url}/api/server/note", params={"throttle": "true"})
        assert handle.status_code == 503
        assert "1 throttled operations (max = 1)" in handle.text
        assert httpx.get(f"{url}/api/server/note").status_code == 200


@pytest.mark.parametrize("typename", sorted(TYPES))
def test_every_type_describes_itself_and_refuses_unknown_requests(client: Client, typename: str) -> None:
    client.add(typename, "data")
    info = client.json("GET", f"node/{ROOT}/data/info")
    assert (info["Base"]["TypeName"], info["Base"]["Name"]) == (typename, "data")
    handle = client.request("GET", f"node/{ROOT}/data/nonsense")
    assert handle.status_code == 400
    assert b"Bad API call" in handle.body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=2-4", 206, b"cde"),
        ("bytes=8-", 206, b"ij"),
        ("bytes=-3", 206, b"hij"),
        ("bytes=-99", 206, b"abcdefghij"),
        ("bytes=4-2", 200, b"abcdefghij"),
        ("items=1-2", 200, b"abcdefghij"),
        ("bytes=10-", 416, None),
    ],
)
def test_ranges_of_values_over_a_socket(header: str, status: int, expected: bytes | None) -> None:
    with serving("secret") as url:
        httpx.post(f"{url}/api/repos", params={"admintoken": "secret"}, json={"root": ROOT})
        httpx.post(f"{url}/api/repo/{ROOT}/instance", json={"typename": "keyvalue", "dataname": "kv"})
        key = f"{url}/api/node/{ROOT}/kv/key/a key%2Fwith more"
        httpx.post(key, content=b"abcdefghij")
        handle = httpx.get(key, headers={"Range": header})
    assert handle.status_code == status
    assert expected is None or handle.content == expected
