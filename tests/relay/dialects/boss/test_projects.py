"""Collections, experiments, channels, frames and metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from relay.dialects.boss.client import CHANNEL, FRAME, Client

pytestmark = pytest.mark.slow


def test_created_resources_are_listed_and_described(client: Client) -> None:
    client.project()
    client.channel("raw", "uint16", base_resolution=1, description="first")
    client.channel("seg", "uint64", sources=["raw"])
    assert client.get("/v1/collection//") == {"collections": ["col"]}
    assert client.get("/v1/coord") == {"coords": ["cf"]}
    assert client.get("/v1/collection/col/experiment") == {"experiments": ["exp"]}
    assert client.get(CHANNEL) == {"channels": ["raw", "seg"]}
    assert client.get("/v1/collection/col") == {
        "name": "col", "description": "c", "creator": "admin", "public": False, "experiments": ["exp"],
    }  # fmt: skip
    assert client.get("/v1/coord/cf") == {"name": "cf", "description": "", "creator": "admin", **FRAME}
    assert client.get("/v1/collection/col/experiment/exp") == {
        "name": "exp", "collection": "col", "description": "", "creator": "admin", "public": False,
        "coord_frame": "cf", "num_hierarchy_levels": 3, "hierarchy_method": "anisotropic", "num_time_samples": 1,
        "time_step": 0, "time_step_unit": "seconds", "channels": ["raw", "seg"],
    }  # fmt: skip
    assert client.get(f"{CHANNEL}/raw") == {
        "name": "raw", "experiment": "exp", "description": "first", "creator": "admin", "public": False,
        "type": "image", "datatype": "uint16", "base_resolution": 1, "default_time_sample": 0, "sources": [],
        "related": [], "downsample_status": "NOT_DOWNSAMPLED", "storage_type": "spdb", "bucket": None, "cv_path": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/v1/collection/col", {"description": "new", "public": True}),
        ("/v1/coord/cf", {"description": "new"}),
        ("/v1/collection/col/experiment/exp", {"num_hierarchy_levels": 5, "hierarchy_method": "isotropic"}),
        (f"{CHANNEL}/raw", {"description": "new", "public": True, "related": ["other"]}),
    ],
)
def test_a_change_keeps_the_other_fields(client: Client, path: str, changes: dict[str, Any]) -> None:
    client.project()
    for name in ("raw", "other"):
        client.channel(name)
    before = client.get(path)
    changed = client.request("PUT", path, json={"name": before["name"], **changes}).json()
    assert changed == client.get(path) == {**before, **changes}


def test_resources_in_use_are_not_deleted(client: Client) -> None:
    client.project()
    client.channel("raw")
    client.channel("seg", "uint64", sources=["raw"])
    order = [f"{CHANNEL}/seg", f"{CHANNEL}/raw", "/v1/collection/col/experiment/exp", "/v1/coord/cf"]
    for path in (*order[1:], "/v1/collection/col"):
        client.request("DELETE", path, status=400, code=4003)
    for path in (*order, "/v1/collection/col"):
        client.request("DELETE", path, status=204)
        client.request("GET", path, status=404, code=4000)
    assert client.get("/v1/collection") == {"collections": []}


def test_a_deleted_channel_leaves_nothing_under_its_name(client: Client) -> None:
    client.project()
    client.channel("raw")
    client.write("raw/0/0:4/0:4/0:4", np.ones((4, 4, 4), "uint8"))
    client.request("POST", "/v1/meta/col/exp/raw/?key=k&value=v", status=201)
    client.request("DELETE", f"{CHANNEL}/raw", status=204)
    client.channel("raw", "uint16")
    assert not client.read("raw/0/0:4/0:4/0:4", "uint16", (4, 4, 4)).any()
    assert client.get("/v1/meta/col/exp/raw") == {"keys": []}


WRONG = [
    ("/v1/collection/col", {}, 400, 1003),
    ("/v1/collection/bad.name", {}, 400, 1003),
    ("/v1/collection/" + "x" * 256, {}, 400, 1003),
    ("/v1/coord/new", {}, 400, 1003),
    ("/v1/coord/new", {**FRAME, "x_stop": 0}, 400, 1003),
    ("/v1/coord/new", {**FRAME, "x_start": -1}, 400, 1003),
    ("/v1/coord/new", {**FRAME, "z_voxel_size": 0}, 400, 1003),
    ("/v1/coord/new", {**FRAME, "voxel_unit": "inches"}, 400, 1003),
    ("/v1/collection/none/experiment/new", {"coord_frame": "cf"}, 404, 4000),
    ("/v1/collection/col/experiment/new", {"coord_frame": "none"}, 404, 4000),
    ("/v1/collection/col/experiment/new", {}, 400, 1003),
    ("/v1/collection/col/experiment/new", {"coord_frame": "cf", "num_hierarchy_levels": 11}, 400, 1003),
    ("/v1/collection/col/experiment/new", {"coord_frame": "cf", "hierarchy_method": "near_iso"}, 400, 1003),
    ("/v1/collection/col/experiment/new", {"coord_frame": "cf", "time_step_unit": "days"}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "image", "datatype": "float32"}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "mask", "datatype": "uint8"}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "annotation", "datatype": "uint64"}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "annotation", "datatype": "uint64", "sources": ["none"]}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "image", "datatype": "uint8", "sources": ["raw"], "related": ["raw"]}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "image", "datatype": "uint8", "base_resolution": 3}, 400, 1003),
    (f"{CHANNEL}/new", {"type": "image", "datatype": "uint8", "default_time_sample": 1}, 400, 1003),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), WRONG)
def test_wrong_resources_are_refused(admin: Client, path: str, body: dict[str, Any], status: int, code: int) -> None:
    admin.request("POST", path, json=body, status=status, code=code)
    if path != "/v1/collection/col":
        admin.request("GET", path, status=404)


def test_all_problems_of_a_body_are_named(admin: Client) -> None:
    body = {**FRAME, "x_start": "none", "y_voxel_size": -1}
    message = admin.request("POST", "/v1/coord/new", json=body, status=400, code=1003).json()["message"]
    assert "x_start" in message
    assert "y_voxel_size" in message


def test_a_body_that_is_not_json_is_refused(admin: Client) -> None:
    for body in (b"{", b"[]", b"\xff"):
        admin.request("POST", "/v1/collection/new", content=body, status=400, code=1003)
    admin.request("POST", "/v1/collection/new", content=b" " * (2**20 + 1), status=413, code=2000)


def test_references_follow_a_new_name(client: Client) -> None:
    client.project()
    client.channel("raw")
    client.channel("seg", "uint64", sources=["raw"])
    client.write("raw/0/0:4/0:4/0:4", np.ones((4, 4, 4), "uint8"))
    for names in ("col", "col/exp", "col/exp/raw"):
        client.request("POST", f"/v1/meta/{names}/?key=k&value={names}", status=201)
    body = {"group": "admin", "permissions": ["read"], "collection": "col", "experiment": "exp", "channel": "raw"}
    client.request("POST", "/v1/permissions", json=body, status=201)
    client.request("PUT", f"{CHANNEL}/raw", json={"name": "seg"}, status=400, code=1003)
    client.request("PUT", f"{CHANNEL}/raw", json={"name": "a.b"}, status=400, code=1003)
    assert client.request("PUT", f"{CHANNEL}/raw", json={"name": "em", "description": "d"}).json()["name"] == "em"
    client.request("PUT", "/v1/coord/cf", json={"name": "frame"})
    client.request("PUT", "/v1/collection/col/experiment/exp", json={"name": "run"})
    client.request("PUT", "/v1/collection/col", json={"name": "lab"})
    assert client.get("/v1/collection") == {"collections": ["lab"]}
    assert client.get("/v1/collection/lab")["experiments"] == ["run"]
    found = client.get("/v1/collection/lab/experiment/run")
    assert (found["channels"], found["coord_frame"]) == (["em", "seg"], "frame")
    assert client.get("/v1/collection/lab/experiment/run/channel/seg")["sources"] == ["em"]
    for names, value in (("lab", "col"), ("lab/run", "col/exp"), ("lab/run/em", "col/exp/raw")):
        assert client.get(f"/v1/meta/{names}?key=k")["value"] == value
    moved = {**body, "collection": "lab", "experiment": "run", "channel": "em"}
    assert client.get("/v1/permissions?group=admin") == {"permission-sets": [moved]}
    assert len(client.request("GET", "/v1/cutout/lab/run/em/0/0:4/0:4/0:4").content) == 64 + 16
    client.request("GET", "/v1/collection/col", status=404, code=4000)


@pytest.mark.parametrize("path", ["/v1/nothing", "/", "/v1/resource/col", "/v1/cutout/col/exp/raw/0/0:1/0:1"])
def test_unknown_paths_are_reported(admin: Client, path: str) -> None:
    admin.request("GET", path, status=404, code=2004)


def test_unsupported_versions_and_methods(admin: Client) -> None:
    admin.request("GET", "/v0.8/collection/", status=400, code=9003)
    admin.request("PUT", "/v1/coord", status=405, code=2004)
    assert admin.get("/ping/")["ip"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/v1/collection/col", "/v1//collection//col//", "/latest/collection/col/"])
def test_repeated_slashes_and_latest_are_accepted(admin: Client, path: str) -> None:
    assert admin.get(path)["name"] == "col"


@pytest.mark.parametrize("names", ["col", "col/exp", "col/exp/raw"])
def test_metadata_of_every_level(admin: Client, names: str) -> None:
    path = f"/v1/meta/{names}/"
    key = {"key": "a b/ü&=", "value": "1 & 2"}
    admin.request("GET", path, params={"key": key["key"]}, status=400, code=1003)
    admin.request("POST", path, params=key, status=201)
    admin.request("POST", path, params=key, status=400, code=1003)
    assert admin.get(path) == {"keys": [key["key"]]}
    assert admin.get(path, params={"key": key["key"]}) == key
    admin.request("PUT", path, params={**key, "value": "new"})
    assert admin.get(path, params={"key": key["key"]})["value"] == "new"
    admin.request("DELETE", path, params={"key": key["key"]}, status=204)
    for method in ("PUT", "DELETE"):
        admin.request(method, path, params=key, status=400, code=1003)
    admin.request("POST", path, params={"key": "k"}, status=400, code=1003)
    assert admin.get(path) == {"keys": []}


def test_metadata_of_a_missing_channel(admin: Client) -> None:
    admin.request("GET", "/v1/meta/col/none", status=404, code=4000)


@pytest.mark.parametrize("name", ["..", "../x", "%2e%2e%2fx", "a%2Fb", "a.b", "%00", "a b", "ü"])
def test_no_name_is_a_path(admin: Client, name: str) -> None:
    for path in (f"/v1/collection/{name}", f"/v1/coord/{name}", f"/v1/collection/col/experiment/{name}"):
        answer = admin.http.post(path.replace("..", "%2e%2e"), json={})
        assert answer.status_code in (400, 404, 405), answer.text
    assert admin.get("/v1/collection") == {"collections": ["col"]}
