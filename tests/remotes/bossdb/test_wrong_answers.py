"""Whatever a server answers, the result is well-formed data or a VoxomeError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from standins.faulty_proxy import Answer, Cut, Fault, FaultyProxy

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.redaction import Secret
from voxome.remotes import http
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.bossdb.cutouts import Cutouts
from voxome.remotes.bossdb.labels import Labels
from voxome.remotes.bossdb.records import Experiment
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.remotes.bossdb.service import api_at, explain

pytestmark = pytest.mark.slow

NAMES, BOX = ("a", "b", "c"), Box((0, 0, 0), (4, 5, 6))
SPEC = VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(8, 8, 8))


def uri(host: str) -> Uri:
    return Uri("bossdb", f"{host}/a/b/c")


def labels(host: str) -> Labels:
    return Labels(api_at(host), NAMES, 0, BOX)


def cutout(host: str) -> Any:
    source = Cutouts(api_at(host), NAMES, 0, np.dtype("u1"), (16, 512, 512))
    return source.read(BOX, np.empty(BOX.shape, np.uint8))


REQUESTS: dict[str, Callable[[str], Any]] = {
    "open": lambda host: BossdbRemote().open(uri(host)),
    "create": lambda host: BossdbRemote().create(uri(host), SPEC),
    "list collections": lambda host: list(BossdbRemote().list(Uri("bossdb", host))),
    "list channels": lambda host: list(BossdbRemote().list(Uri("bossdb", f"{host}/a/b"))),
    "collection": lambda host: BossDB(host).collections.get("a"),
    "experiment": lambda host: BossDB(host).experiments.get("a", "b"),
    "channel": lambda host: BossDB(host).channels.get(*NAMES),
    "frames": lambda host: BossDB(host).coordinate_frames.list(),
    "frame": lambda host: BossDB(host).coordinate_frames.get("f"),
    "keys": lambda host: list(BossDB(host).metadata("a")),
    "value": lambda host: BossDB(host).metadata("a").get("k"),
    "groups": lambda host: BossDB(host).groups.list(),
    "members": lambda host: BossDB(host).groups.members.list("g"),
    "permissions": lambda host: BossDB(host).permissions.list(),
    "roles": lambda host: BossDB(host).users.roles("u"),
    "user": lambda host: BossDB(host).users.get("u"),
    "downsampling": lambda host: BossDB(host).downsampling.status(*NAMES),
    "ids": lambda host: labels(host).ids(BOX),
    "bounding box": lambda host: labels(host).bounding_box(1, True),
    "reserve": lambda host: labels(host).reserve(3),
    "voxels": cutout,
}
BODIES = [
    b"",
    b"\0" * 7,
    b"\xff" * 33,
    b"<html>sign in</html>",
    b"null",
    b"7",
    b'"a"',
    b"{}",
    b"[[]]",
    b"[{}]",
    b"[-1]",
    b'{"ids": 7}',
    b'{"keys": 5, "value": null}',
    b'{"start_id": "a", "count": 1}',
    b'{"name": "a", "type": [], "datatype": 3}',
    b'{"collections": null, "experiments": 7, "channels": {}, "coords": 3, "groups": 1, "members": 2}',
]
HARMLESS = {"user", "value"}
"""Requests whose answers are returned unchanged."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    with FaultyProxy() as one:
        yield one


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.0005)


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_at_most_one_malformed_body_is_accepted(proxy: FaultyProxy, name: str) -> None:
    accepted = set()
    for body in BODIES:
        proxy.reset()
        proxy.chance(1, Answer(200, body), seed=0)
        try:
            REQUESTS[name](proxy.url)
        except VoxomeError:
            continue
        accepted.add(body)
    assert len(accepted) <= 1 or name in HARMLESS, accepted


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("fault", [Answer(500, b"a panic"), Cut(), Cut(0)])
def test_a_server_that_fails_is_a_store_error_with_its_address(proxy: FaultyProxy, name: str, fault: Fault) -> None:
    proxy.reset()
    proxy.chance(1, fault, seed=0)
    with pytest.raises(StoreError, match=proxy.url):
        REQUESTS[name](proxy.url)


def test_a_refused_user_does_not_show_the_password(proxy: FaultyProxy) -> None:
    proxy.reset()
    proxy.chance(1, Answer(400, b'{"status": 400, "code": 3, "message": "no"}'), seed=0)
    with pytest.raises(VoxomeError) as caught:
        BossDB(proxy.url).users.create("u", first_name="a", last_name="b", email="c", password=Secret("hush-hush"))
    assert "hush" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize("levels", [65, 2000, 10**12, -1, 1e400, "many"])
def test_an_experiment_of_more_levels_than_there_can_be_is_refused(levels: object) -> None:
    answer = {
        "name": "e", "description": "", "coord_frame": "f", "num_hierarchy_levels": levels,
        "hierarchy_method": "anisotropic", "creator": "me",
    }  # fmt: skip
    with pytest.raises(CorruptData, match="an experiment of c"):
        Experiment.from_json(answer, ["c"])


def test_an_error_of_many_levels_is_shown_as_text() -> None:
    request = httpx.Request("GET", "http://127.0.0.1/")
    assert "[ [ [" in explain(httpx.Response(500, text="[ " * 100_000, request=request))
