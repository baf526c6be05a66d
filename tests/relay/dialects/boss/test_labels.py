"""Ids, bounding boxes, reservations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relay.dialects.boss.client import Client
from standins.boss import Boss

from voxome.geometry import Box
from voxome.relay.accounts import Membership
from voxome.relay.dialects.boss.records import Grant
from voxome.relay.sessions import begin_session, lend_session
from voxome.testing.strategies import boxes

DOMAIN = Box((0, 0, 0), (21, 70, 130))
NAMES = (f"labels{i}" for i in count())
WHOLE = "0:130/0:70/0:21"


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_ids_and_bounding_boxes_match_numpy(admin: Client, data: st.DataObject) -> None:
    name, box = next(NAMES), data.draw(boxes(DOMAIN, empty=False))
    admin.channel(name, "uint64", sources=["raw"])
    ids = np.array([0, 3, 2**40, 2**64 - 1], "uint64")
    labels = np.zeros(DOMAIN.shape, "uint64")
    labels[box.within(DOMAIN)] = np.random.default_rng(0).choice(ids, box.shape, p=[0.7, 0.1, 0.1, 0.1])
    admin.write(f"{name}/0/{WHOLE}", labels)
    box_read = data.draw(boxes(DOMAIN, empty=False))
    inside = np.unique(labels[box_read.within(DOMAIN)])
    path = "/".join(f"{a}:{b}" for a, b in reversed(list(zip(box_read.start, box_read.stop, strict=True))))
    assert admin.get(f"/v1/ids/col/exp/{name}/0/{path}/0:1/") == {"ids": [str(i) for i in inside if i]}
    for one in ids[1:]:
        places = np.argwhere(labels == one)
        where = f"/v1/boundingbox/col/exp/{name}/0/{one}/?type=tight"
        if not len(places):
            admin.request("GET", where, status=404, code=4004)
            continue
        low, high = places.min(0).tolist(), (places.max(0) + 1).tolist()
        found = admin.get(where)
        assert [found[f"{axis}_range"] for axis in "zyx"] == [[a, b] for a, b in zip(low, high, strict=True)]
        assert found["t_range"] == [0, 1]


def test_a_loose_box_consists_of_cuboids(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint64", sources=["raw"])
    admin.write(f"{name}/0/5:6/69:70/17:18", np.full((1, 1, 1), 9, "uint64"))
    loose = {"x_range": [0, 512], "y_range": [0, 512], "z_range": [16, 32], "t_range": [0, 1]}
    for query in ("", "?type=loose"):
        assert admin.get(f"/v1/boundingbox/col/exp/{name}/0/9/{query}") == loose


def test_every_id_is_reserved_once(admin: Client) -> None:
    name = next(NAMES)
    admin.channel(name, "uint64", sources=["raw"])
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: admin.get(f"/v1/reserve/col/exp/{name}/{n}"), range(1, 20)))
    taken = [i for one in found for i in range(one["start_id"], one["start_id"] + one["count"])]
    assert sorted(taken) == list(range(1, 191))


def test_who_has_a_lent_token_reads_and_reserves_no_ids(boss: Boss, admin: Client) -> None:
    admin.channel(name := next(NAMES), "uint64", sources=["raw"])
    token, accounts = boss.add_user("ann"), boss.state.accounts
    where = {"collection": "col", "experiment": "exp", "channel": name}
    may = ("read", "add_volumetric_data")
    boss.state.catalogue.write(
        add=[Membership(group="lab", user="ann", rank="member"), Grant(group="lab", permissions=may, **where)]
    )
    lent = lend_session(accounts, begin_session(accounts, token)[0], "https://viewer.example")
    with closing(Client(boss.url, token)) as own, closing(Client(boss.url, lent)) as viewer:
        assert viewer.get(f"/v1/collection/col/experiment/exp/channel/{name}")["name"] == name
        viewer.request("GET", f"/v1/reserve/col/exp/{name}/5", status=403)
        assert own.get(f"/v1/reserve/col/exp/{name}/5") == {"start_id": 1, "count": 5}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/ids/col/exp/raw/0/0:1/0:1/0:1", 400, 2003),
        ("/v1/boundingbox/col/exp/raw/0/1", 400, 2003),
        ("/v1/reserve/col/exp/raw/1", 400, 2003),
        ("/v1/reserve/col/exp/seg/0", 400, 1001),
        (f"/v1/reserve/col/exp/seg/{2**63}", 400, 1001),
        ("/v1/reserve/col/exp/seg/x", 400, 1002),
        ("/v1/boundingbox/col/exp/seg/0/1?type=exact", 400, 1001),
        ("/v1/boundingbox/col/exp/seg/7/1", 400, 1002),
        (f"/v1/boundingbox/col/exp/seg/0/{2**64}", 400, 1002),
        ("/v1/ids/col/exp/none/0/0:1/0:1/0:1", 404, 4000),
    ],
)
def test_wrong_requests_are_refused(admin: Client, path: str, status: int, code: int) -> None:
    admin.request("GET", path, status=status, code=code)
