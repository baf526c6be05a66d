"""Groups that the configuration of a relay names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from relay.serving import as_user, stored

from voxome.relay.accounts import ADMIN, Accounts, Group, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.collections import Collections
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.boss.roles import role_record
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources

NAMES = ("readers", "writers", "storers", "annotators")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A relay with a group in each place that names one; eve, a resource manager, owns `writers`."""
    sources, collections, catalogue = Sources(), Collections(), MemoryCatalogue()
    sources.add("em", stored(np.ones((2, 2, 2), "uint8")), Rights(frozenset({"readers"}), frozenset({"writers"})))
    sources.add_store("scratch", tmp_path, Rights(frozenset({"storers"})))
    collections.add("points", "file:///none", Rights(frozenset({"annotators"})))
    for name in ("root", "eve"):
        catalogue.write(add=[User(name=name), Token(digest=digest(f"{name}-token"), user=name)])
    catalogue.write(add=[Membership(group=ADMIN, user="root", rank="member"), role_record("eve", "resource-manager")])
    catalogue.write(add=[Group(name="writers", owner="eve")])
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources, collections=collections)
    with in_thread(create_app(open_dialects(relay, ["boss", "raw"]))) as url:
        yield url


@pytest.mark.slow
def test_nobody_creates_or_deletes_a_group_of_the_configuration(url: str) -> None:
    for name in NAMES:
        path = f"{url}/v1/groups/{name}"
        assert httpx.post(path, headers=as_user("eve")).status_code == 404  # as BossDB: a group of this name exists
        assert httpx.delete(path, headers=as_user("eve")).status_code in (400, 403)
        assert httpx.delete(path, headers=as_user("root")).status_code == 400
    assert httpx.get(f"{url}/raw/em/info", headers=as_user("eve")).status_code == 403


def test_admins_give_a_group_of_the_configuration_its_first_members(url: str) -> None:
    assert set(NAMES) <= set(httpx.get(f"{url}/v1/groups", headers=as_user("root")).json()["groups"])
    httpx.post(f"{url}/v1/groups/readers/members/eve", headers=as_user("root")).raise_for_status()
    httpx.get(f"{url}/raw/em/cutout?box=0:1,0:1,0:1", headers=as_user("eve")).raise_for_status()
