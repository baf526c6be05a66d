"""Every request, however malformed, gets an intended response."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from standins.dvid.types.catalogue import TYPES

from .conftest import ROOT, Client

pytestmark = pytest.mark.slow

TAILS = ["", "1", "0", "-1", "a", "1/1", "0_0_0", "1_2", "0_1_2/8_8_8/0_0_0", "0_1/8_8/0_0_0/bmp", "8_8_8/0_0_0", "a/b"]
TAILS += ["0_1_2/99999_99999_99999/0_0_0", f"{ROOT}/{ROOT}", "1/bbbb/cccc", "99999999999999999999", "x" * 40, "1,2"]
TAILS += ["0_0_0/9_0_0/0_9_0/2", "0_0_0/0_0_0/0_0_0/0", "0_0_0/0_0_0", "0_0_0/99999999999", "0/PreSyn", "1/nothing"]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"7",
    b'"a"',
    b"[1.5]",
    b"[-1]",
    b"[[1, 2]]",
    b'[["a"]]',
    b"\0" * 30,
    b"\xff" * 9,
]
BODIES += [
    b'{"Pos": 3}',
    b'[{"Pos": ["a"]}]',
    b'{"1": "[7]"}',
    b'{"a": 7}',
    b"[18446744073709551616]",
    b"\x0a\x03\x0a\x01\xff",
]
QUERIES: list[dict[str, str]] = [
    {},
    {"scale": "a", "compression": "a", "minx": "a", "start": "a", "offset": "a", "u": "me"},
]
QUERIES += [
    {"scale": "9", "maxx": "-3", "format": "blocks", "blocks": "1,2,a", "roi": "nothing", "batchsize": "0", "u": "me"}
]
QUERIES += [{"json": "true", "tar": "true", "hash": "0", "mutid": "7", "batchsize": "3", "optimized": "on", "u": "me"}]
INTENDED = {200, 204, 206, 400, 404, 416, 500, 501}


@pytest.mark.parametrize("typename", sorted(TYPES))
def test_malformed_requests_are_refused_with_a_message(client: Client, typename: str) -> None:
    client.add(typename, "data", BlockSize="16,16,16")
    if "labels" in str(TYPES[typename].routes) and "raw" in str(TYPES[typename].routes):
        client.write(ROOT, "data", np.ones((16, 16, 16), TYPES[typename].dtype))  # type: ignore[attr-defined]
    for method, keyword in TYPES[typename].routes:
        for tail, query in itertools.product(TAILS, QUERIES):
            path = f"node/{ROOT}/data/{keyword}" + (f"/{tail}" if tail else "")
            for body in BODIES if tail in {"", "1"} and len(query) != 1 else BODIES[:1]:
                handle = client.request(method, path, body, **query)
                assert handle.status_code in INTENDED, (method, path, query, body, handle.body)
                if handle.status_code in {400, 500, 501}:
                    assert handle.body.strip(), (method, path, query, body)


@pytest.mark.parametrize("path", ["repos", "server/settings", f"repo/{ROOT}/", f"node/{ROOT}/"])
def test_malformed_requests_to_servers_repositories_and_versions(client: Client, path: str) -> None:
    keywords = [
        "info",
        "instance",
        "log",
        "merge",
        "resolve",
        "note",
        "branch",
        "newversion",
        "tag",
        "commit",
        "status",
    ]
    for keyword, body in itertools.product(keywords if path.endswith("/") else [""], BODIES):
        handle = client.request("POST", path + keyword, body, admintoken="secret")
        assert handle.status_code in INTENDED, (keyword, body, handle.body)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "help/labelmap", b"", 200),
        ("GET", "help/nothing", b"", 400),
        ("GET", "storage", b"", 200),
        ("HEAD", "server/info", b"", 200),
        ("GET", "server/config", b"", 200),
        ("GET", "user-latencies", b"", 200),
        ("GET", "server/blobstore/nothing", b"", 404),
        ("POST", "server/reload-auth", b"", 400),
        ("POST", "server/settings", b'{"throttle": "3"}', 400),
        ("POST", "repos", b"", 400),
        ("HEAD", f"repo/{ROOT}/info", b"", 200),
        ("GET", f"repo/{ROOT}", b"", 404),
        ("GET", f"node/{ROOT}", b"", 404),
        ("GET", f"node/{ROOT}/commit", b"", 200),
        ("POST", f"node/{ROOT}/commit", b"", 400),
        ("POST", f"node/{ROOT}/note", b"{}", 400),
        ("POST", f"node/{ROOT}/log", b"{}", 400),
        ("POST", f"repo/{ROOT}/log", b"{}", 400),
        ("GET", f"node/{ROOT}/nothing/info", b"", 400),
        ("PUT", f"repo/{ROOT}/info", b"", 404),
        ("DELETE", f"repo/{ROOT}", b"", 404),
    ],
)
def test_requests_have_the_status_of_the_real_server(
    client: Client, method: str, path: str, body: bytes, status: int
) -> None:
    assert client.request(method, path, body).status_code == status


def test_a_locked_version_refuses_instances_and_malformed_uuids(client: Client) -> None:
    client.commit(ROOT)
    payload = {"typename": "keyvalue", "dataname": "late"}
    assert b"locked node" in client.request("POST", f"repo/{ROOT}/instance", payload).body
    assert b"hexadecimal" in client.request("POST", f"node/{ROOT}/newversion", {"uuid": "short"}).body
    child = client.child(ROOT)
    client.ok("POST", f"repo/{child}/instance", payload)


def test_labels_without_an_index_refuse_index_requests(client: Client) -> None:
    client.add("labelmap", "seg", BlockSize="16,16,16", IndexedLabels="false")
    client.write(ROOT, "seg", np.full((16, 16, 16), 4, np.uint64))
    assert client.json("GET", f"node/{ROOT}/seg/label/1_1_1") == {"Label": 4}
    assert client.json("GET", f"node/{ROOT}/seg/info")["Extended"]["IndexedLabels"] is False
    assert b"not label indexed" in client.request("GET", f"node/{ROOT}/seg/size/4").body


def test_json_is_parsed_as_strictly_as_in_go(client: Client) -> None:
    client.add("labelmap", "seg", BlockSize="16,16,16")
    at = f"node/{ROOT}/seg"
    refused: list[tuple[str, Any]] = [
        ("labels", [[1.0, 2, 3]]),
        ("labels", [["1", 2, 3]]),
        ("sizes", [True]),
        ("sizes", [-1]),
    ]
    for keyword, body in refused:
        assert client.request("GET", f"{at}/{keyword}", body).status_code == 400
    assert client.json("GET", f"{at}/labels", b"null") == []
    assert client.json("GET", f"{at}/labels", [[1], [1, 2, 3, 4]]) == [0, 0]
    assert client.request("GET", f"{at}/sizes", [1], hash="00").status_code == 400
    md5_of_empty_list = "d751713988987e9331980363e24189ce"
    assert json.loads(client.ok("GET", f"{at}/sizes", b"[]", hash=md5_of_empty_list)) == []
    for path in ("size/0", "sparsevol/0", "index/0", "lastmod/0", "supervoxels/0", "sparsevol-by-point/1_1_1"):
        assert client.request("GET", f"{at}/{path}").status_code == 400, path
