"""Users, roles, groups and permissions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from relay.dialects.boss.client import CHANNEL, Client
from standins.boss import Boss

from voxome.relay.dialects.boss.records import Profile

pytestmark = pytest.mark.slow

ONES = np.ones((1, 1, 1), "uint8")
VOXEL = "raw/0/0:1/0:1/0:1"
Connect = Callable[[str | None], Client]


@pytest.fixture
def bob(fresh: Boss, caller: Connect, client: Client) -> Client:
    """A user without roles, in the group `lab`, and a project of the admin."""
    client.project()
    client.channel("raw")
    client.channel("seg", "uint64", sources=["raw"])
    one = caller(fresh.add_user("bob"))
    client.request("POST", "/v1/groups/lab", status=201)
    client.request("POST", "/v1/groups/lab/members/bob", status=204)
    return one


def grant(client: Client, *permissions: str, method: str = "POST", status: int = 201, **where: str) -> None:
    resource = {"collection": "col", "experiment": "exp", "channel": "raw", **where}
    body = {"group": "lab", "permissions": permissions, **{key: value for key, value in resource.items() if value}}
    client.request(method, "/v1/permissions/", json=body, status=status)


def test_keywords_of_the_authorization_header(fresh: Boss, client: Client) -> None:
    url = "/v1/groups"
    for keyword in ("Token", "token", "BEARER"):
        client.request("GET", url, headers={"Authorization": f"{keyword} {fresh.token}"})
    for header in ("Token nonsense", "Basic YTpi", "Token", fresh.token):
        found = client.request("GET", url, headers={"Authorization": header}, status=401)
        assert fresh.token not in found.text
        assert found.headers["www-authenticate"] == "Token"


def test_anonymous_callers_read_public_resources_only(caller: Connect, client: Client, bob: Client) -> None:
    everybody = [caller(None), caller("public")]
    statuses = dict.fromkeys(everybody, 401) | {bob: 403}
    for one, status in statuses.items():
        one.request("GET", f"{CHANNEL}/raw", status=status, code=3001)
        one.request("GET", f"/v1/cutout/col/exp/{VOXEL}", status=status, code=3001)
        assert one.get("/v1/collection") == {"collections": []}
    for path in ("/v1/collection/col", "/v1/collection/col/experiment/exp", f"{CHANNEL}/raw"):
        client.request("PUT", path, json={"public": True})
    for one, status in statuses.items():
        assert one.get("/v1/collection/col")["experiments"] == ["exp"]
        assert one.get("/v1/collection/col/experiment/exp")["channels"] == ["raw"]
        assert one.get(CHANNEL) == {"channels": ["raw"]}
        assert one.read(VOXEL, "uint8", (1, 1, 1)) == 0
        assert one.get("/v1/meta/col/exp/raw") == {"keys": []}
        one.request("GET", f"{CHANNEL}/seg", status=status, code=3001)
    for one in everybody:
        one.write(VOXEL, ONES, status=401)
        one.request("DELETE", f"{CHANNEL}/raw", status=401)
        one.request("POST", "/v1/collection/mine", json={}, status=401)
        one.request("GET", "/v1/groups/lab", status=403)
        one.request("GET", "/v1/sso/user/bob", status=403, code=3000)
    bob.write(VOXEL, ONES, status=403, code=3001)
    bob.request("POST", "/v1/collection/mine", json={}, status=403, code=3000)


NEEDED = [
    ("GET", f"{CHANNEL}/raw", "read"),
    ("GET", "/v1/meta/col/exp/raw", "read"),
    ("GET", "/v1/downsample/col/exp/raw", "read"),
    ("PUT", f"{CHANNEL}/raw", "update"),
    ("POST", "/v1/meta/col/exp/raw?key=k&value=v", "update"),
    ("GET", f"/v1/cutout/col/exp/{VOXEL}", "read_volumetric_data"),
    ("GET", "/v1/image/col/exp/raw/xy/0/0:1/0:1/0", "read_volumetric_data"),
    ("POST", f"/v1/cutout/col/exp/{VOXEL}", "add_volumetric_data"),
    ("PUT", f"/v1/cutout/to_black/col/exp/{VOXEL}", "delete_volumetric_data"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "permission"), NEEDED)
def test_a_request_needs_one_permission(client: Client, bob: Client, method: str, path: str, permission: str) -> None:
    permissions = {"read", "update", "delete", "read_volumetric_data", "add_volumetric_data", "delete_volumetric_data"}
    grant(client, *(permissions - {permission}))
    message = bob.request(method, path, status=403, code=3001).json()["message"]
    assert permission in message
    grant(client, permission)
    assert bob.http.request(method, path).status_code not in (401, 403)


def test_permissions_are_added_replaced_and_removed(client: Client, bob: Client) -> None:
    where = {"collection": "col", "experiment": "exp", "channel": "raw"}
    query = {"group": "lab", **where}
    grant(client, "read")
    grant(client, "update", "read")
    expected = {"group": "lab", **where, "permissions": ["read", "update"]}
    assert client.get("/v1/permissions", params=query) == {"permission-sets": [expected]}
    grant(client, "add", method="PATCH", status=200)
    assert client.get("/v1/permissions", params=query)["permission-sets"][0]["permissions"] == ["add"]
    assert client.get("/v1/groups/lab")["resources"] == [{**expected, "permissions": ["add"]}]
    grant(client, "read", channel="", experiment="")
    assert bob.get("/v1/permissions")["permission-sets"] == [
        {"group": "lab", "collection": "col", "permissions": ["read"]},
        {**expected, "permissions": ["add"]},
    ]
    assert len(client.get("/v1/permissions", params=where)["permission-sets"]) == 1
    client.request("DELETE", "/v1/permissions", params=query, status=204)
    assert client.get("/v1/permissions", params=query) == {"permission-sets": []}
    bob.request("GET", f"{CHANNEL}/raw", status=403)
    assert bob.get("/v1/collection/col")["experiments"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"permissions": ["everything"]}, 404, 3002),
        ({"permissions": ["read_volumetric_data"], "channel": ""}, 404, 3002),
        ({"group": "none"}, 404, 4001),
        ({"channel": "none"}, 404, 4000),
        ({"group": "public", "permissions": ["update"]}, 400, 1003),
        ({"permissions": None}, 400, 1003),
    ],
)
def test_wrong_permissions_are_refused(admin: Client, changes: dict[str, object], status: int, code: int) -> None:
    admin.http.post("/v1/groups/lab")
    body = {"group": "lab", "permissions": ["read"], "collection": "col", "experiment": "exp", "channel": "raw"}
    for method in ("POST", "PATCH"):
        admin.request(method, "/v1/permissions", json={**body, **changes}, status=status, code=code)


def test_permissions_of_the_public_group_are_everybodys(caller: Connect, client: Client, bob: Client) -> None:
    grant(client, "read", "read_volumetric_data", group="public")
    for one in (caller(None), bob):
        assert one.get(CHANNEL) == {"channels": ["raw"]}
        one.request("GET", f"/v1/cutout/col/exp/{VOXEL}")


def test_only_resource_managers_create_resources_and_own_them(fresh: Boss, caller: Connect, bob: Client) -> None:
    eve = caller(fresh.add_user("eve", "resource-manager"))
    eve.request("POST", "/v1/collection/col/experiment/mine", json={"coord_frame": "cf"}, status=403, code=3001)
    eve.request("POST", "/v1/collection/hers", json={}, status=201)
    eve.request("POST", "/v1/collection/hers/experiment/mine", json={"coord_frame": "cf"}, status=201)
    assert eve.get("/v1/collection") == {"collections": ["hers"]}
    eve.request("PUT", "/v1/coord/cf", json={"description": "x"}, status=403, code=3001)
    assert eve.get("/v1/coord/cf")["name"] == "cf"
    for path in ("/v1/collection/col", "/v1/coord/cf"):
        eve.request("DELETE", path, status=403, code=3001)
    bob.request("DELETE", "/v1/collection/hers", status=403, code=3000)
    eve.request("DELETE", "/v1/collection/hers/experiment/mine", status=204)
    eve.request("DELETE", "/v1/collection/hers", status=204)


def test_groups_are_changed_by_their_maintainers(fresh: Boss, caller: Connect, client: Client, bob: Client) -> None:
    eve = caller(fresh.add_user("eve", "resource-manager"))
    assert client.get("/v1/groups/lab") == {"name": "lab", "owner": "admin", "resources": []}
    assert bob.get("/v1/groups") == {"groups": ["lab"]}
    assert bob.get("/v1/groups?filter=maintainer") == {"groups": []}
    assert client.get("/v1/groups?filter=maintainer") == {"groups": ["lab"]}
    assert client.get("/v1/groups/lab/members") == {"members": ["admin", "bob"]}
    assert client.get("/v1/groups/lab/members/bob") == {"result": True}
    assert client.get("/v1/groups/lab/maintainers/bob") == {"result": False}
    for one in (bob, eve):
        one.request("POST", "/v1/groups/lab/members/eve", status=403, code=3001)
        one.request("POST", "/v1/groups/admin/members/eve", status=403, code=3001)
    eve.request("DELETE", "/v1/groups/lab", status=403, code=3001)
    client.request("POST", "/v1/groups/lab/maintainers/bob", status=204)
    for _ in range(2):
        bob.request("POST", "/v1/groups/lab/members/eve", status=204)
    for _ in range(2):
        bob.request("DELETE", "/v1/groups/lab/members/eve", status=204)
    client.request("POST", "/v1/groups/lab/members/none", status=404, code=4002)
    client.request("GET", "/v1/groups/none", status=404, code=4001)
    client.request("GET", "/v1/groups?filter=x", status=400, code=1004)
    for name in ("lab", "admin", "public"):
        client.request("POST", f"/v1/groups/{name}", status=404, code=6001)
    bob.request("POST", "/v1/groups/mine", status=403, code=3000)
    grant(client, "read")
    client.request("DELETE", "/v1/groups/lab", status=204)
    bob.request("GET", f"{CHANNEL}/raw", status=403)
    client.request("POST", "/v1/groups/lab", status=201)
    assert client.get("/v1/groups/lab/members") == {"members": ["admin"]}
    assert client.get("/v1/groups/lab")["resources"] == []


def test_a_group_gives_permissions_only_to_its_members(fresh: Boss, caller: Connect, client: Client) -> None:
    client.project()
    client.channel("raw")
    eve = caller(fresh.add_user("eve", "resource-manager"))
    client.request("POST", "/v1/groups/lab", status=201)
    grant(eve, "read", status=403)
    eve.request("POST", "/v1/groups/hers", status=201)
    grant(eve, "read", group="hers", status=403)
    eve.request("GET", f"{CHANNEL}/raw", status=403, code=3001)


def test_user_managers_manage_users_and_roles(fresh: Boss, caller: Connect, client: Client, bob: Client) -> None:
    meg = caller(fresh.add_user("meg", "user-manager"))
    new = {"first_name": "A", "last_name": "B", "email": "a@b", "password": "open sesame"}
    meg.request("POST", "/v1/sso/user/ann", json=new, status=201)
    meg.request("POST", "/v1/sso/user/ann", json=new, status=409)
    shown = {"username": "ann", "firstName": "A", "lastName": "B", "email": "a@b", "realmRoles": []}
    assert meg.request("GET", "/v1/sso/user/ann", json={}).json() == shown
    assert "sesame" not in repr(fresh.state.catalogue.get(Profile, "ann").password)
    assert bob.get("/v1/sso/user/bob")["username"] == "bob"
    for path in ("/v1/sso/user/ann", "/v1/sso/user-role/ann"):
        bob.request("GET", path, status=403, code=3000)
    meg.request("POST", "/v1/sso/user-role/ann/resource-manager", status=201)
    assert meg.get("/v1/sso/user-role/ann") == ["resource-manager"]
    for role in ("admin", "user-manager", "king"):
        meg.request("POST", f"/v1/sso/user-role/meg/{role}", status=403, code=7002)
    client.request("POST", "/v1/sso/user-role/ann/admin", status=201)
    assert meg.get("/v1/sso/user-role/ann") == ["admin", "resource-manager"]
    meg.request("DELETE", "/v1/sso/user/ann", status=403, code=3001)
    client.request("DELETE", "/v1/sso/user-role/ann/admin", status=204)
    meg.request("DELETE", "/v1/sso/user-role/ann/resource-manager", status=204)
    assert meg.get("/v1/sso/user-role/ann") == []
    meg.request("DELETE", "/v1/sso/user/ann", json={}, status=204)
    meg.request("GET", "/v1/sso/user/ann", status=404, code=4002)
    meg.request("POST", "/v1/sso/user/admin", json=new, status=409)
    meg.request("POST", "/v1/sso/user/a.b", json=new, status=400, code=1003)
    bob.request("POST", "/v1/sso/user/eve", json=new, status=403, code=3000)


def test_a_deleted_user_has_no_access(client: Client, bob: Client) -> None:
    assert bob.get("/v1/groups") == {"groups": ["lab"]}
    client.request("DELETE", "/v1/sso/user/bob", status=204)
    bob.request("GET", "/v1/groups", status=401)
    assert client.get("/v1/groups/lab/members") == {"members": ["admin"]}
