"""A relay that writes back to a store which is away, full or refuses: what clients and operators see."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.writes.away import BOX, DATA, PATHS, SHAPE, URL, Setting, answers, decode, in_front_of_boss, put, waiting_in
from relay.writes.journals import wait_until
from standins.faulty_proxy import Answer, Cut, Fault

import voxome
from voxome.errors import InvalidInput, StoreError
from voxome.geometry import Box
from voxome.relay.config_file import parse_config
from voxome.relay.upstream import Upstream

pytestmark = pytest.mark.slow


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    with in_front_of_boss(tmp_path, monkeypatch) as one:
        yield one


def written(voxels: np.ndarray | int = 7) -> np.ndarray:
    expected = DATA.copy()
    expected[0:8, 0:16, 0:16] = voxels
    return expected


def stored_behind_the_proxy(setting: Setting) -> np.ndarray:
    answer = httpx.get(
        f"{setting.boss.url}/v1/cutout/lab/exp/em/0/0:64/0:64/0:32/",
        headers={**setting.boss.headers(), "Accept": "application/npygz"},
    )
    return np.load(io.BytesIO(zlib.decompress(answer.content))).reshape(SHAPE)


def test_a_write_is_read_in_all_dialects_while_the_store_is_away_and_after_it_is_back(setting: Setting) -> None:
    with setting.relay() as client:
        before = answers(client)
        assert {dialect: answer.status_code for dialect, answer in before.items()} == dict.fromkeys(PATHS, 200)
        setting.fail(Answer(503))
        assert put(client).status_code == 204
        during, heads = answers(client), answers(client, "HEAD")
        assert {answer.status_code for answer in during.values()} == {200}
        assert (decode(during["raw"]) == 7).all()
        for dialect in set(PATHS) - {"raw"}:
            assert during[dialect].content != before[dialect].content
            assert heads[dialect].headers["etag"] == during[dialect].headers["etag"]
        assert_array_equal(stored_behind_the_proxy(setting), DATA)
        setting.heal()
        wait_until(lambda: not waiting_in(client))
        assert_array_equal(setting.stored(), written())
        for dialect, after in answers(client).items():
            assert after.content == during[dialect].content
            assert after.headers.get("etag") == during[dialect].headers.get("etag")


def test_a_write_is_taken_also_if_only_the_store_knows_its_levels(setting: Setting) -> None:
    def ask_the_store(upstream: Upstream, box: Box, number: int) -> None:
        raise StoreError("the store is away")

    with setting.relay() as client:
        assert all(answer.status_code == 200 for answer in answers(client).values())
        setting.fail(Answer(503))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Upstream, "chunks_under", ask_the_store)
            assert put(client).status_code == 204
        assert (decode(answers(client)["raw"]) == 7).all()
        setting.heal()
        wait_until(lambda: waiting_in(client) == 0)
        assert_array_equal(stored_behind_the_proxy(setting), written())


def test_writes_are_replayed_after_a_restart(setting: Setting) -> None:
    with setting.relay() as client:
        client.get(URL + BOX)
        setting.fail(Answer(503), "POST|PUT|DELETE")
        for value in (5, 6, 7):
            assert put(client, value).status_code == 204
    assert_array_equal(setting.stored(), DATA)
    setting.heal()
    with setting.relay() as client:
        assert (decode(client.get(URL + BOX)) == 7).all()
        wait_until(lambda: not waiting_in(client))
    assert_array_equal(setting.stored(), written())


@pytest.mark.parametrize("status", [403, 413, 429, 500])
def test_what_a_store_does_not_take_is_named_and_passed_on_when_it_does(setting: Setting, status: int) -> None:
    with setting.relay() as client:
        assert client.get("/ready").json() == {"ready": True, "problems": [], "warnings": []}
        client.get(URL + BOX)
        setting.fail(Answer(status), "^(POST|PUT) ")
        assert put(client).status_code == 204
        wait_until(lambda: bool(client.get("/ready").json()["warnings"]))
        (warning,) = client.get("/ready").json()["warnings"]
        assert warning.startswith("lab/exp/em: 1 write ")
        assert ("refused" in warning) == (status in (403, 413))
        metrics = client.get("/metrics").text
        assert 'voxome_relay_writes_waiting{source="lab/exp/em"} 1' in metrics
        assert f'voxome_relay_writes_refused{{source="lab/exp/em"}} {int("refused" in warning)}' in metrics
        assert (decode(client.get(URL + BOX)) == 7).all()
        setting.heal()
        wait_until(lambda: not waiting_in(client))
        assert client.get("/ready").json()["warnings"] == []
    assert_array_equal(setting.stored(), written())


def test_the_warning_names_the_source_whose_writes_fail(setting: Setting) -> None:
    with setting.relay(also=["z"]) as client:
        client.get(URL + BOX)
        setting.fail(Answer(403), "^(POST|PUT) ")
        assert put(client).status_code == 204
        wait_until(lambda: bool(client.get("/ready").json()["warnings"]))
        (warning,) = client.get("/ready").json()["warnings"]
        assert warning.startswith("lab/exp/em: ")


def test_a_full_journal_is_503_with_retry_after_and_reads_go_to_the_store(setting: Setting) -> None:
    with setting.relay() as client:
        client.get(URL + "0:32,0:64,0:64")
        setting.fail(Answer(503), "^(POST|PUT) ")
        statuses = [put(client, value, "0:32,0:64,0:64", SHAPE).status_code for value in range(1, 10)]
        assert statuses[:6] == [204] * 6
        assert statuses[-1] == 503
        refused = put(client, 99, "0:32,0:64,0:64", SHAPE)
        assert refused.headers["retry-after"] == "1"
        last = statuses.count(204)
        assert (decode(client.get(URL + "0:32,0:64,0:64")) == last).all()
        assert any("nearly full" in warning for warning in client.get("/ready").json()["warnings"])
        setting.heal()
        wait_until(lambda: not waiting_in(client))
        assert put(client).status_code == 204


def test_a_write_over_the_whole_budget_is_413(setting: Setting) -> None:
    spec = voxome.VolumeSpec.of((64, 256, 256), "uint8", voxel_size_nm=(40, 4, 4))
    voxome.create("bossdb://lab/exp2/em", spec)
    setting.uri = "bossdb://lab/exp2/em"
    with setting.relay() as client:
        assert put(client, 1, "0:64,0:256,0:256", (64, 256, 256)).status_code == 413


def test_names_of_volumes_are_shown_only_to_those_who_may_read_them(setting: Setting) -> None:
    with setting.relay(readers=["lab"]) as client:
        client.get(URL + BOX)
        setting.fail(Answer(403), "^(POST|PUT) ")
        put(client)
        wait_until(lambda: "lab/exp/em" in str(client.get("/ready").json()["warnings"]))
        client.headers["authorization"] = ""
        (warning,) = client.get("/ready").json()["warnings"]
        assert warning.startswith("another volume: 1 write refused")
        assert "lab/exp/em" not in client.get("/metrics").text


@pytest.mark.parametrize("fault", [Answer(403), Answer(413), Answer(429), Answer(500), Answer(503), Cut()])
def test_a_write_through_that_the_store_does_not_take_is_never_confirmed(setting: Setting, fault: Fault) -> None:
    with setting.relay(write="through") as client:
        client.get(URL + BOX)
        setting.fail(fault, "^(POST|PUT) ")
        answer = put(client)
        assert answer.status_code == (503 if fault != Answer(413) else 400)
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
        setting.heal()
        assert put(client, 9).status_code == 204
        assert (decode(client.get(URL + BOX)) == 9).all()
    assert_array_equal(setting.stored(), written(9))


def test_writing_back_needs_a_folder() -> None:
    values = {"sources": {"em": {"uri": "memory://em", "writers": ["lab"], "write": "back"}}}
    with pytest.raises(InvalidInput, match=r"cache\.folder"):
        parse_config(values, "relay.toml")
