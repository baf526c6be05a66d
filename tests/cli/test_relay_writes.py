"""Writes that a relay has confirmed and its store does not take, on the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.writes.away import BOX, DATA, URL, decode, in_front_of_boss, put, waiting_in
from relay.writes.journals import wait_until
from standins.faulty_proxy import Answer

from voxome.relay.writes import flusher

pytestmark = pytest.mark.slow


def test_operators_list_retry_export_and_discard(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ("--cache", str(tmp_path / "cache"))
    monkeypatch.setattr(flusher, "_wait_s", lambda *_: 600.0)
    monkeypatch.setattr(logging, "raiseExceptions", False)  # the relay of this process logs to what is closed
    with in_front_of_boss(tmp_path, monkeypatch) as setting, setting.relay() as client:
        client.get(URL + "0:32,0:64,0:64")
        setting.fail(Answer(403), "^(POST|PUT) ")
        put(client, 7)
        put(client, 9, "20:21,0:1,0:2", (1, 1, 2))
        wait_until(lambda: "2 writes refused" in str(client.get("/ready").json()["warnings"]))
        rows = command("relay", "writes", "list", "--json", *cache).json
        assert [(row["volume"], row["box"], row["state"]) for row in rows] == [
            ("lab/exp/em", BOX, "refused"), ("lab/exp/em", "20:21,0:1,0:2", "refused"),
        ]  # fmt: skip
        first = str(rows[0]["id"])
        assert "lab/exp/em" in command("relay", "writes", "list", *cache).out
        assert command("relay", "writes", "export", "copy", *cache).status == 0
        assert (np.load(tmp_path / "copy" / f"{first}.npy") == 7).all()
        assert (tmp_path / "copy" / "writes.json").exists()
        assert command("relay", "writes", "export", "copy", *cache).status == 1
        assert command("relay", "writes", "discard", "77", *cache).status == 1
        assert command("relay", "writes", "discard", first, *cache).status == 0
        assert_array_equal(decode(client.get(URL + BOX)), DATA[0:8, 0:16, 0:16])
        setting.heal()
        assert command("relay", "writes", "retry", "--json", *cache).json == {"writes": 1}
        wait_until(lambda: not waiting_in(client))
        assert [row["id"] for row in command("relay", "writes", "list", "--json", *cache).json] == []
        expected = DATA.copy()
        expected[20, 0, 0:2] = 9
        assert_array_equal(setting.stored(), expected)
    assert command("relay", "writes", "list", "--cache", "elsewhere").status == 1
