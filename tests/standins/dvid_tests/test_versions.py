"""A version inherits the data of its ancestors, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from numpy.testing import assert_array_equal

from .conftest import ROOT, TOKEN, Client

KEYS = st.sampled_from("abc")
PLACES = st.integers(-1, 1)


class Versions(RuleBasedStateMachine):
    """Values, grey blocks and ROIs written in a growing tree, against plain dictionaries copied at every branch."""

    opened = Bundle("opened")
    closed = Bundle("closed")

    def __init__(self) -> None:
        super().__init__()
        self.client = Client()
        self.client.add("keyvalue", "kv")
        self.client.add("keyvalue", "shared", versioned="0")
        self.client.add("uint8blk", "grey", BlockSize="8,8,8")
        self.client.add("roi", "roi", BlockSize="8,8,8")
        self.expected: dict[str, dict[str, Any]] = {ROOT: {}}
        self.common: dict[str, bytes] = {}

    @rule(target=opened)
    def the_root(self) -> str:
        return ROOT

    @rule(version=opened, key=KEYS, value=st.binary(min_size=1, max_size=3))
    def put(self, version: str, key: str, value: bytes) -> None:
        self.write(version, f"kv/{key}", value, "POST", f"kv/key/{key}", value)

    @rule(version=opened, key=KEYS)
    def delete(self, version: str, key: str) -> None:
        self.write(version, f"kv/{key}", None, "DELETE", f"kv/key/{key}")

    @rule(version=opened, coord=PLACES, value=st.integers(1, 255))
    def paint(self, version: str, coord: int, value: int) -> None:
        body = np.full((8, 8, 8), value, np.uint8).tobytes()
        self.write(version, f"grey/{coord}", value, "POST", f"grey/raw/0_1_2/8_8_8/{8 * coord}_0_0", body)

    @rule(version=opened, spans=st.sets(st.tuples(PLACES, PLACES), max_size=3))
    def outline(self, version: str, spans: set[tuple[int, int]]) -> None:
        rows = sorted([z, y, 0, 2] for z, y in spans)
        self.write(version, "roi", rows, "POST", "roi/roi", rows)

    def write(self, version: str, name: str, value: Any, method: str, path: str, body: Any = b"") -> None:
        handle = self.client.request(method, f"node/{version}/{path}", body)
        locked = self.client.json("GET", f"node/{version}/status")["Locked"]
        assert handle.status_code == (400 if locked else 200)
        if not locked:
            self.expected[version][name] = value

    @rule(version=opened | closed, key=KEYS, value=st.binary(min_size=1, max_size=3))
    def put_unversioned(self, version: str, key: str, value: bytes) -> None:
        self.client.ok("POST", f"node/{version}/shared/key/{key}", value)
        self.common[key] = value

    @rule(target=closed, version=consumes(opened))
    def commit(self, version: str) -> str:
        if not self.client.json("GET", f"node/{version}/status")["Locked"]:
            self.client.commit(version)
        return version

    @rule(target=opened, version=closed, number=st.integers(0, 9))
    def branch(self, version: str, number: int) -> str:
        child = self.client.child(version, f"b{len(self.expected)}")
        self.expected[child] = dict(self.expected[version])
        return child

    @invariant()
    def data_are_visible_in_the_right_versions(self) -> None:
        for version, expected in self.expected.items():
            keys = sorted(name[3:] for name, value in expected.items() if name.startswith("kv/") and value is not None)
            assert self.client.json("GET", f"node/{version}/kv/keys") == keys
            for key in keys:
                assert self.client.ok("GET", f"node/{version}/kv/key/{key}") == expected[f"kv/{key}"]
            for key, value in self.common.items():
                assert self.client.ok("GET", f"node/{version}/shared/key/{key}") == value
            row = self.client.ok("GET", f"node/{version}/grey/raw/0_1_2/24_1_1/-8_3_3")
            assert list(row[::8]) == [expected.get(f"grey/{coord}", 0) for coord in (-1, 0, 1)]
            assert self.client.json("GET", f"node/{version}/roi/roi") == expected.get("roi", [])


Versions.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestVersions = Versions.TestCase


def test_a_merged_version_inherits_from_both_parents(client: Client) -> None:
    client.add("keyvalue", "kv")
    client.commit(ROOT)
    sides = [client.child(ROOT, name) for name in ("left", "right")]
    for side in sides:
        client.ok("POST", f"node/{side}/kv/key/{side[:4]}", b"x")
        client.commit(side)
    merged = client.json("POST", f"repo/{ROOT}/merge", {"mergeType": "conflict-free", "parents": sides})["child"]
    assert client.json("GET", f"node/{merged}/kv/keys") == sorted(side[:4] for side in sides)


def test_versions_are_found_by_name(client: Client) -> None:
    client.add("keyvalue", "kv")
    client.commit(ROOT)
    child = client.child(ROOT)
    assert client.json("GET", f"repo/{ROOT}/branch-versions/master") == [child, ROOT]
    client.ok("POST", f"node/{ROOT[:5]}:master/kv/key/k", b"v")
    assert client.ok("GET", f"node/{child[:8]}/kv/key/k") == b"v"
    tag = client.json("POST", f"node/{ROOT}/tag", {"tag": "v1"})["child"]
    assert client.json("GET", f"node/{tag}/status") == {"Locked": True}
    assert client.request("GET", f"node/{tag}/kv/key/k").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (f"node/{ROOT}/newversion", {}, "unlocked"),
        (f"node/{ROOT}/branch", {"branch": "b"}, "unlocked"),
        (f"node/{ROOT}/branch", {"branch": "master"}, "master"),
        ("node/bbbb/commit", {}, "could not find UUID"),
        (f"node/{ROOT}/newversion", {"uuid": ROOT}, "already exists"),
        ("repos", {}, "admin"),
    ],
)
def test_invalid_requests_are_refused(client: Client, path: str, body: Any, message: str) -> None:
    handle = client.request("POST", path, body)
    assert handle.status_code == 400
    assert message in bytes(handle.body).decode()


def test_an_ambiguous_prefix_is_refused(client: Client) -> None:
    client.ok("POST", "repos", {"root": "a" * 31 + "b"}, admintoken=TOKEN)
    assert b"more than one" in client.request("GET", "repo/aaa/info").body
    assert client.json("GET", f"repo/{ROOT}/info")["Root"] == ROOT


def test_nobody_is_an_administrator_without_a_token(new_client: Callable[[], Client]) -> None:
    client = new_client()
    client.service._admin_token = None
    assert client.request("POST", "repos", {}, admintoken="").status_code == 400


def test_a_refused_write_changes_nothing(client: Client) -> None:
    client.add("uint8blk", "grey")
    whole = np.full((32, 32, 32), 7, np.uint8)
    assert client.write(ROOT, "grey", whole).status_code == 200
    assert client.write(ROOT, "grey", whole[:, :, :-1] + 1).status_code == 400
    assert client.write(ROOT, "grey", whole + 1, "1_0_0").status_code == 400
    assert_array_equal(client.read(ROOT, "grey", (32, 32, 32), "uint8"), whole)
