"""Requests in DVID's documentation that were not recorded."""

from __future__ import annotations

import json
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from standins.dvid.blobs import fnv_name
from standins.dvid.codecs import compression, runs

from .conftest import ROOT, TOKEN, Client

AT = f"node/{ROOT}"


def labels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    coarse = np.random.default_rng(5).integers(0, 6, (4, 4, 8))
    return coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2).astype(np.uint64)


@pytest.fixture
def segmented(client: Client) -> Client:
    client.add("labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="1", VoxelSize="4,4,8")
    assert client.write(ROOT, "seg", labels()).status_code == 200
    return client


def test_blobs_are_named_by_their_content(segmented: Client) -> None:
    assert fnv_name(b"") == "bGInLge7AUJiuCF1YpXFjQ=="
    name = segmented.json("POST", f"{AT}/seg/blobstore", b"content")["reference"]
    segmented.commit(ROOT)
    assert segmented.ok("GET", f"{AT}/seg/blobstore/{name}") == b"content"
    assert segmented.ok("GET", f"server/blobstore/{name}") == b"content"
    assert segmented.request("GET", f"{AT}/seg/blobstore/nothing").status_code == 404
    assert segmented.request("DELETE", f"{AT}/seg/blobstore/{name}").status_code == 400


def test_the_runs_of_a_split_are_stored_without_their_header(segmented: Client) -> None:
    mask = labels() == 3
    mask[:, :, ::2] = False
    body = runs.encode(runs.from_mask(mask, (0, 0, 0)))
    segmented.ok("POST", f"{AT}/seg/split-supervoxel/3", body, u="ana")
    (mutation,) = segmented.json("GET", f"{AT}/seg/mutations")
    assert "App" not in mutation
    assert segmented.ok("GET", f"{AT}/seg/blobstore/{mutation['Split']}") == body[runs.HEADER :]


def test_label_ids_are_reserved_with_a_counter(segmented: Client) -> None:
    at = f"{AT}/seg"
    segmented.ok("POST", f"{at}/set-nextlabel/99", ceiling=103, admintoken=TOKEN)
    assert segmented.json("GET", f"{at}/nextlabel") == {"nextlabel": 100}
    assert segmented.json("POST", f"{at}/nextlabel/2") == {"start": 100, "end": 101}
    segmented.ok("POST", f"{at}/merge", [1, 2])
    assert segmented.json("POST", f"{at}/cleave/1", [2])["CleavedLabel"] == 102
    assert segmented.request("POST", f"{at}/nextlabel/2").status_code == 400
    assert segmented.json("GET", f"{at}/maxlabel") == {"maxlabel": 102}
    for wrong in ("set-nextlabel/0", "set-nextlabel/a", "maxlabel/0", f"maxlabel/{(1 << 48) + 1}"):
        assert segmented.request("POST", f"{at}/{wrong}", admintoken=TOKEN).status_code == 400
    assert segmented.request("POST", f"{at}/set-nextlabel/9", ceiling=9, admintoken=TOKEN).status_code == 400
    segmented.commit(ROOT)
    child = segmented.child(ROOT)
    assert segmented.json("GET", f"node/{child}/seg/maxlabel") == {"maxlabel": 102}


def test_posted_mappings_are_trusted_with_nolookup(segmented: Client) -> None:
    message = bytes([0x0A, 6, 0x10, 3, 0x1A, 2, 50, 51])  # MappingOps: 50 and 51 map to 3
    segmented.ok("POST", f"{AT}/seg/mappings", message)
    assert segmented.json("GET", f"{AT}/seg/mapping", [50, 51, 3, 99]) == [3, 3, 3, 0]
    assert segmented.json("GET", f"{AT}/seg/mapping", [50, 99], nolookup=True) == [3, 99]


@pytest.mark.parametrize("name", ["lz4", "gzip"])
def test_compressed_voxels_are_accepted(client: Client, name: str) -> None:
    client.add("labelmap", "seg", BlockSize="16,16,16")
    pack = {"lz4": compression.lz4, "gzip": compression.gzip_encode}[name]
    path = f"{AT}/seg/raw/0_1_2/32_16_16/0_0_0"
    client.ok("POST", path, pack(labels().tobytes()), compression=name)
    assert_array_equal(client.read(ROOT, "seg", (16, 16, 32), "uint64"), labels())
    assert client.request("POST", path, b"none", compression=name).status_code == 400
    assert client.request("POST", path, labels().tobytes(), compression="nothing").status_code == 400


def test_images_of_labels(segmented: Client) -> None:
    raw = imagecodecs.png_decode(segmented.ok("GET", f"{AT}/seg/raw/xz/32_8/0_3_0"))
    assert raw.shape == (8, 32, 4)
    square = imagecodecs.png_decode(segmented.ok("GET", f"{AT}/seg/isotropic/xz/32_16/0_3_0"))
    assert_array_equal(square, raw.repeat(2, 0))
    coloured = imagecodecs.png_decode(segmented.ok("GET", f"{AT}/seg/pseudocolor/xy/32_16/0_0_2"))
    plane_response = labels()[2]
    colours = {tuple(coloured[plane_response == label][0]) for label in np.unique(plane_response)}
    assert len(colours) == len(np.unique(plane_response))
    assert segmented.request("GET", f"{AT}/seg/pseudocolor/0_1_2/8_8_8/0_0_0").status_code == 400


def test_oblique_planes(client: Client) -> None:
    client.add("uint8blk", "grey", BlockSize="16,16,16", VoxelSize="4,4,8")
    array = np.arange(16**3, dtype=np.uint64).reshape(16, 16, 16).astype(np.uint8)
    client.write(ROOT, "grey", array)
    image_response = client.ok("GET", f"{AT}/grey/arb/0_0_16/32_0_16/0_24_16/4")
    assert_array_equal(imagecodecs.png_decode(image_response), array[2, :6, :8])
    assert len(client.json("GET", f"{AT}/grey/rawkey", x=1, y=2, z=3)["Key"]) > 32
    assert client.ok("GET", f"{AT}/grey/specificblocks") == b""
    for wrong in ("subvolblocks/16_16_16/0_0_0", "specificblocks"):
        handle = client.request("GET", f"{AT}/grey/{wrong}", compression="lz4", blocks="0,0,0")
        assert handle.status_code == 400


def test_proximity_of_labels(segmented: Client) -> None:
    found = segmented.json("GET", f"{AT}/seg/proximity/1/2")
    assert [set(one) for one in found] == [{"Block", "Distance"}] * len(found)
    assert min(one["Distance"] for one in found) >= 1
    assert segmented.request("GET", f"{AT}/seg/proximity/1/1").status_code == 400
    assert segmented.request("GET", f"{AT}/seg/proximity/1/77").status_code == 404


def test_annotations_of_bodies_and_syncs(segmented: Client) -> None:
    segmented.add("annotation", "points")
    at = f"{AT}/points"
    coords = [[x, y, z] for z, y, x in np.argwhere(labels() == 4)[::9].tolist()]
    segmented.ok("POST", f"{at}/elements", [{"Pos": coord, "Kind": "Note"} for coord in coords])
    assert segmented.json("GET", f"{at}/label/4") == []
    assert set(segmented.json("GET", f"{at}/all-elements")) == {"0,0,0"}
    segmented.ok("POST", f"{at}/sync", {"sync": "seg"})
    assert {tuple(one["Pos"]) for one in segmented.json("GET", f"{at}/label/4")} == set(map(tuple, coords))
    assert set(segmented.json("GET", f"{at}/all-elements")) == {f"{x // 16},0,0" for x, _, _ in coords}
    assert segmented.json("GET", f"{at}/scan")["num kv pairs"] == len({x // 16 for x, _, _ in coords})
    segmented.ok("POST", f"{at}/labels", {"77": json.dumps([{"Pos": [1, 2], "Kind": "Gap"}])})
    (element,) = segmented.json("GET", f"{at}/label/77", relationships="verbose")
    assert element == {"Pos": [1, 2, 0], "Kind": "Gap", "Tags": [], "Prop": {}, "Rels": []}
    refused: list[Any] = [[{"Pos": [1.5, 2, 3]}], [{"Prop": {"a": 1}}], [{"Tags": "a"}], [{"Rels": [{"Rel": "Odd"}]}]]
    for elements in refused:
        assert segmented.request("POST", f"{at}/elements", elements).status_code == 400


def test_the_log_of_a_keyvalue_instance(client: Client) -> None:
    client.add("keyvalue", "kv")
    client.ok("POST", f"{AT}/kv/key/a", b"no json", u="ana")
    client.commit(ROOT)
    child = client.child(ROOT)
    client.ok("POST", f"node/{child}/kv/key/b", b"12", u="ben")
    first, second = client.json("GET", f"node/{child}/kv/mutations-range/{ROOT}/{child}")
    assert {"Action": "postkv", "Key": "a", "Bytes": 7, "UUID": ROOT, "User": "ana"}.items() <= first.items()
    assert (second["Key"], second["UUID"]) == ("b", child)
    assert client.json("GET", f"node/{child}/kv/mutations", userid="ana") == []
    for query in ({"json": True, "tar": True}, {"json": True, "check": True}):
        assert client.request("GET", f"node/{child}/kv/keyvalues", ["a"], **query).status_code == 400


def test_neurons_with_unusual_keys(client: Client) -> None:
    client.add("neuronjson", "neurons")
    at = f"{AT}/neurons"
    client.ok("POST", f"{at}/key/5", {"bodyid": 5}, u="ana")
    client.ok("POST", f"{at}/key/7", {"bodyid": 7, "type": "a"}, u="ana")
    assert client.json("GET", f"{at}/all") == [{"bodyid": 7, "type": "a"}]
    assert client.json("GET", f"{at}/keyvalues", [7, 99], json=True) == {"7": {"bodyid": 7, "type": "a"}}
    client.ok("POST", f"{at}/key/schema", {"any": "thing"}, u="ana")
    assert client.json("GET", f"{at}/key/schema") == client.json("GET", f"{at}/schema") == {"any": "thing"}
    for method, key in (("GET", "name"), ("DELETE", "name"), ("POST", "0")):
        assert client.request(method, f"{at}/key/{key}", {"bodyid": 0}, u="ana").status_code == 400


def test_regions_of_other_versions_are_partitioned(segmented: Client) -> None:
    segmented.add("roi", "core", BlockSize="16,16,16")
    empty = segmented.json("GET", f"{AT}/core/partition", batchsize=2)
    assert (empty["NumSubvolumes"], empty["Subvolumes"]) == (0, [])
    segmented.ok("POST", f"{AT}/core/roi", [[0, 0, 0, 0], [0, 0, 4, 6], [0, 1, 0, 6]])
    partition = segmented.json("GET", f"{AT}/core/partition", batchsize=7, optimized="on")
    assert [(one["MinChunk"], one["MaxChunk"], one["ActiveBlocks"]) for one in partition["Subvolumes"]] == [
        ([0, 0, 0], [6, 7, 6], 11)
    ]
    segmented.commit(ROOT)
    child = segmented.child(ROOT)
    segmented.ok("DELETE", f"node/{child}/core/roi")
    whole = segmented.read(ROOT, "seg", (16, 16, 32), "uint64")
    masked = segmented.read(child, "seg", (16, 16, 32), "uint64", roi=f"core,{ROOT}")
    assert_array_equal(masked[:, :, :16], whole[:, :, :16])
    assert not masked[:, :, 16:].any()
    assert not segmented.read(child, "seg", (16, 16, 32), "uint64", roi="core").any()


def test_the_first_parent_wins_after_resolving(client: Client) -> None:
    client.add("keyvalue", "kv")
    client.ok("POST", f"{AT}/kv/key/a", b"root")
    client.commit(ROOT)
    one, other = (client.child(ROOT, name) for name in ("one", "other"))
    for version, key in ((one, "a"), (other, "a"), (other, "b")):
        client.ok("POST", f"node/{version}/kv/key/{key}", version.encode())
    for version in (one, other):
        client.commit(version)
    payload = {"data": ["kv"], "parents": [one, other]}
    child = client.json("POST", f"repo/{ROOT}/resolve", payload)["child"]
    assert client.ok("GET", f"node/{child}/kv/key/a") == one.encode()
    assert client.ok("GET", f"node/{child}/kv/key/b") == other.encode()
    for wrong in ({"data": [], "parents": [one, other]}, {"data": ["kv"], "parents": [one]}, {"data": ["no"]}):
        assert client.request("POST", f"repo/{ROOT}/resolve", wrong).status_code == 400
