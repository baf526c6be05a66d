"""Addresses, versions, error messages, users and tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from standins.dvid import serving
from standins.faulty_proxy import Alter, Answer, FaultyProxy

import voxome
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, AlreadyExists, InvalidInput, InvalidUri, NotFound, ReadOnly, StoreError
from voxome.remotes.dvid import node as module
from voxome.remotes.dvid.node import Address, DvidApi, Node, resolve_version

pytestmark = pytest.mark.slow

ROOT = "4e1f0a7c9d3b4f6a8c2e5d7b9a1c3e50"
TOKEN = "a-very-secret-token"


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    for name in ("DVID_HOST", "DVID_TOKEN", "DVID_ADMIN_HOST", "DVID_ADMIN_TOKEN"):
        monkeypatch.delenv(f"VOXOME_{name}", raising=False)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dvid://emdata:8000", ("http://emdata:8000", None, None)),
        ("dvid://emdata:8000/", ("http://emdata:8000", None, None)),
        ("dvids://emdata.org/4e1f", ("https://emdata.org", "4e1f", None)),
        ("dvid://h:1/4e1f:trial/grey?level=2", ("http://h:1", "4e1f:trial", "grey")),
        ("dvid://[::1]:80/4e1f/grey/", ("http://[::1]:80", "4e1f", "grey")),
    ],
)
def test_addresses_are_parsed(text: str, parts: tuple[str, str | None, str | None]) -> None:
    assert Address.parse(Uri.parse(text)) == Address(*parts)


def test_a_missing_host_is_that_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidUri, match="HOST"):
        Address.parse(Uri.parse("dvid:///4e1f/grey"))
    monkeypatch.setenv("VOXOME_DVID_HOST", "https://emdata:8000/")
    assert Address.parse(Uri.parse("dvid:///4e1f/grey")) == Address("http://emdata:8000", "4e1f", "grey")


@pytest.mark.parametrize("text", ["dvid://h/a/b/c", "dvids:///a/b"])
def test_invalid_addresses_are_refused(text: str) -> None:
    with pytest.raises(InvalidUri, match="UUID"):
        Address.parse(Uri.parse(text))


def test_paths_are_quoted() -> None:
    node = Node(DvidApi("http://h"), ROOT)
    assert node.path("keys", "key", "a b/ü?") == f"/api/node/{ROOT}/keys/key/a%20b%2F%C3%BC%3F"
    assert node.repo_path("info") == f"/api/repo/{ROOT}/info"
    assert repr(node) == f"Node('http://h', '{ROOT}')"


def test_versions_are_resolved(node: Node) -> None:
    first: Any = voxome.connect(f"dvid://{node.api.base.removeprefix('http://')}/{node.uuid}")
    first.set_note("traced")
    assert first.note == "traced"
    first.commit()
    api = node.api
    child = first.new_version(uuid=f"{node.uuid[:6]}{'0' * 26}")
    side = first.branch("a side", uuid="f" * 32)
    first.tag("v1.0")
    assert first.branches == ["master", "a side", "tag-v1.0"]
    assert resolve_version(api, node.uuid[:20]) == node.uuid
    assert resolve_version(api, node.uuid) == node.uuid
    assert resolve_version(api, f"{node.uuid[:20]}:master") == resolve_version(api, f"{node.uuid}:") == child.uuid
    assert resolve_version(api, f"{node.uuid}:a side") == side.uuid
    assert resolve_version(api, "v1.0") == "v1.0"
    assert first.at("ffff").uuid == side.uuid
    for unknown in ("0123", f"{node.uuid}:nosuch", "v1.1"):
        with pytest.raises(NotFound):
            resolve_version(api, unknown)


def test_an_ambiguous_prefix_is_refused(node: Node) -> None:
    first: Any = voxome.connect(f"dvid://{node.api.base.removeprefix('http://')}/{node.uuid}")
    first.commit()
    first.branch("a", uuid="ab" + "0" * 30)
    first.branch("b", uuid="ab" + "1" * 30)
    with pytest.raises(InvalidUri, match="more than one"):
        resolve_version(node.api, "ab")


def test_messages_become_errors_of_the_right_type(node: Node, create_instance: Callable[..., None]) -> None:
    create_instance("keyvalue", "keys")
    with pytest.raises(NotFound, match="no instance of that name"):
        node.get("nosuch", "info")
    with pytest.raises(AlreadyExists, match="another name"):
        node.api.send("POST", node.repo_path("instance"), json={"typename": "keyvalue", "dataname": "keys"})
    with pytest.raises(InvalidInput, match="Bad API call") as caught:
        node.get("keys", "nosuch")
    assert caught.value.status == 400
    node.api.send("POST", node.path("commit"), json={})
    with pytest.raises(ReadOnly, match=r"locked node .*create a child") as caught_too:
        node.post("keys", "key", "a", content=b"x")
    assert caught_too.value.status == 400
    assert str(caught_too.value).count("/api/node") == 1


def test_user_and_application_are_sent_with_every_change(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    with FaultyProxy(node.api.base) as proxy:
        one = Node(DvidApi(proxy.url), node.uuid)
        one.api.send("POST", one.repo_path("instance"), json={"typename": "keyvalue", "dataname": "keys"})
        one.post("keys", "key", "a", content=b"x")
        one.get("keys", "key", "a")
        one.head("keys", "key", "a")
        one.delete("keys", "key", "a")
        changing = [request for request in proxy.seen if request.method in ("POST", "DELETE")]
        assert len(changing) == 3
        assert all("u=ana&app=voxome" in request.target for request in changing)
        assert not any("app=" in request.target for request in proxy.seen if request not in changing)


def test_the_user_is_that_of_the_profile(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[profiles.default.dvid]\nhost = "http://h:1"\noptions = { user = "bea" }\n')
    monkeypatch.setenv("VOXOME_CONFIG", str(file))
    assert module._user("http://h:1") == "bea"
    monkeypatch.setenv("LOGNAME", "ana")
    assert module._user("http://other:1") == "ana"


def test_the_token_is_sent_to_its_host_only(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving() as url, FaultyProxy(url) as own, FaultyProxy(url) as other:
        monkeypatch.setenv("VOXOME_DVID_HOST", own.url)
        monkeypatch.setenv("VOXOME_DVID_TOKEN", TOKEN)
        for proxy in (own, other):
            DvidApi(proxy.url).send("GET", "/api/server/info")
        assert {k.lower(): v for k, v in own.seen[0].headers.items()}["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in {k.lower() for k in other.seen[0].headers}
        own.script("GET", Answer(403, b"no rights"))
        with pytest.raises(AccessDenied, match="403: no rights") as caught:
            DvidApi(own.url).send("GET", "/api/server/info")
    assert TOKEN not in f"{caught.value} {DvidApi(own.url)!r} {caplog.text}"


def test_repos_are_created_with_the_administrators_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(TOKEN) as url:
        server: Any = voxome.connect(f"dvid://{url.removeprefix('http://')}")
        with pytest.raises(AccessDenied, match="VOXOME_DVID_ADMIN_TOKEN"):
            server.create_repo("mine")
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", TOKEN)
        monkeypatch.setenv("VOXOME_DVID_HOST", "http://other")
        with pytest.raises(AccessDenied):
            server.create_repo("mine")
        monkeypatch.setenv("VOXOME_DVID_HOST", url)
        created = server.create_repo("mine", "of mine", root=ROOT)
        assert created.uuid == ROOT
        assert (server.repos[ROOT].alias, server.repos[ROOT].description) == ("mine", "of mine")
        with pytest.raises(AlreadyExists) as caught:
            server.create_repo("mine", root=ROOT)
    assert TOKEN not in f"{caught.value} {caplog.text}"


def test_requests_to_a_throttled_server_are_repeated(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Answer(503, b"Server already running 1 throttled operations (max = 1)")
    with FaultyProxy(node.api.base) as proxy:
        api = DvidApi(proxy.url, retries=0)
        proxy.script("GET", busy, busy, busy, None)
        assert api.send("GET", "/api/server/info").status_code == 200
        assert len(proxy.seen) == 4
        proxy.script("GET", Answer(503, b"down for today"))
        with pytest.raises(StoreError, match="down for today"):
            api.send("GET", "/api/server/info")
        monkeypatch.setattr(module, "THROTTLE_TIMEOUT_S", 0)
        proxy.script("GET", busy)
        with pytest.raises(StoreError, match="throttled operations"):
            api.send("GET", "/api/server/info")


def test_long_and_empty_messages(node: Node) -> None:
    with FaultyProxy(node.api.base) as proxy:
        proxy.script("GET", Answer(400, b"x" * 10_000), Answer(404))
        with pytest.raises(InvalidInput) as caught:
            DvidApi(proxy.url).send("GET", "/api/server/info")
        assert len(str(caught.value)) < 1000
        with pytest.raises(NotFound, match="no message"):
            DvidApi(proxy.url).send("GET", "/api/server/info")


def test_a_body_that_is_not_json_is_refused(node: Node) -> None:
    with FaultyProxy(node.api.base) as proxy:
        proxy.script("GET", Alter(lambda _: b"<html>"))
        with pytest.raises(voxome.errors.CorruptData, match="did not respond with JSON: <html>"):
            DvidApi(proxy.url).json("GET", "/api/server/info")
