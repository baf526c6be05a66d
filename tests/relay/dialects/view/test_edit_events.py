"""Events when sources are edited."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import pytest
from relay.serving import as_user, serving, stored

import voxome
from voxome.relay.accounts import Caller
from voxome.relay.dialects.view import edit_events
from voxome.relay.rights import Rights
from voxome.relay.source_errors import CatalogueUnavailable
from voxome.relay.sources import Sources

pytestmark = pytest.mark.slow
LAB = Rights(frozenset({"lab"}))


def proofread(folder: Path) -> str:
    spec = voxome.VolumeSpec.of((8, 8, 8), "uint64", kind="labels", voxel_size_nm=(10, 5, 5))
    volume = voxome.create(f"zarr://{folder}/labels.zarr", spec)
    volume[...] = np.ones((8, 8, 8), np.uint64)
    voxome.proofread(volume, store=folder / "edits.sqlite", author="zoe").close()
    return f"proofread://{folder}/edits.sqlite"


def test_strangers_and_streams_without_layers_are_refused(tmp_path: Path) -> None:
    sources = Sources()
    sources.add("cells", proofread(tmp_path), LAB)
    sources.add("em", stored(np.zeros((4, 4, 4), np.uint8)))
    with serving(sources, ["view"], members={"ann": "lab", "bob": None}) as url:
        events = f"{url}/view/edits/events"
        many = "&".join(f"layer=em{n}" for n in range(edit_events.MOST_NAMES + 1))
        for query, user, status in (
            ("", "ann", 400), (f"?{many}", "ann", 400), ("?layer=cells", "bob", 403), ("?layer=none", "ann", 403),
        ):  # fmt: skip
            assert httpx.get(f"{events}{query}", headers=as_user(user)).status_code == status
        assert httpx.get(f"{events}?layer=cells").status_code == 401
        assert httpx.get(f"{events}?layer=cells", headers={"Authorization": "Token none"}).status_code == 401
        with httpx.stream("GET", f"{events}?layer=cells&layer=em", headers=as_user("ann")) as answer:
            line = next(one for one in answer.iter_lines() if one.startswith("data:"))
            assert list(json.loads(line[5:])) == ["cells"]


def test_a_source_is_looked_at_once_for_all_streams_and_a_caller_has_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_events, "MOST_STREAMS", 8)
    looks: list[str] = []

    def look(self: Sources, name: str) -> str:
        looks.append(name)
        return "1.a"

    monkeypatch.setattr(Sources, "current_version", look)
    sources = Sources()
    for number in range(20):
        sources.add(f"em{number}", stored(np.zeros((4, 4, 4), np.uint8)))
    with serving(sources, ["view"]) as url, ExitStack() as stack:
        begun, streams = time.monotonic(), []
        for _ in range(8):
            answer = stack.enter_context(httpx.stream("GET", f"{url}/view/edits/events?layer=em1", timeout=20))
            streams.append(answer.iter_lines())  # a stream whose lines nobody holds is closed
            assert next(streams[-1]).startswith("data:")
        assert httpx.get(f"{url}/view/edits/events?layer=em1").status_code == 429
        assert set(looks) == {"em1"}
        assert len(looks) <= 2 * (time.monotonic() - begun) + 1


def test_a_stream_is_kept_while_the_catalogue_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = ["1.a"]
    monkeypatch.setattr(Sources, "current_version", lambda self, name: versions[-1])
    sources = Sources()
    sources.add("em", stored(np.zeros((4, 4, 4), np.uint8)), LAB)
    with serving(sources, ["view"], members={"ann": "lab"}) as url:
        address = f"{url}/view/edits/events?layer=em"
        with httpx.stream("GET", address, headers=as_user("ann"), timeout=20) as answer:
            lines = answer.iter_lines()
            assert "1.a" in next(lines)
            with monkeypatch.context() as away:
                away.setattr(edit_events, "identify", is_away)
                assert [line for line in islice(lines, 5) if line] == [":", ":"]
                versions.append("2.b")
            assert "2.b" in next(line for line in lines if line.startswith("data:"))


async def is_away(*_: object) -> Caller:
    raise CatalogueUnavailable("the catalogue cannot be read")


def test_a_stream_ends_when_the_caller_may_no_longer_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources()
    sources.add("cells", proofread(tmp_path), LAB)
    with serving(sources, ["view"], members={"ann": "lab"}) as url:
        address = f"{url}/view/edits/events?layer=cells"
        with httpx.stream("GET", address, headers=as_user("ann"), timeout=20) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data:")
            monkeypatch.setattr(Rights, "may_read", lambda self, caller: False)
            assert not any(one.startswith("data:") for one in lines)
