from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from peers.chromium import Visit
from playwright.sync_api import Browser, Page
from relay.serving import as_user, serving, stored

import voxome
from voxome.relay.dialects.view import edits
from voxome.relay.dialects.view.edits import _ACTIONS
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.services.proofreading.session import Session

PAGE = {"Sec-Fetch-Site": "same-origin"}
LARGE = 2**60 + 1


def store_in(folder: Path) -> Session:
    """Return a session on four supervoxels side by side along x; the last has a large id."""
    labels = np.zeros((32, 32, 64), np.uint64)
    for number, id in enumerate((11, 12, 13, LARGE)):
        labels[4:28, 4:28, 16 * number : 16 * number + 16] = id
    volume = voxome.create(
        f"zarr://{folder}/supervoxels.zarr",
        voxome.VolumeSpec.of(labels.shape, labels.dtype, voxel_size_nm=(10, 5, 5)).replace(kind="labels"),
    )
    volume[...] = labels
    session = voxome.proofread(volume, store=folder / "edits.sqlite", author="zoe")
    assert isinstance(session, Session)
    return session


@pytest.mark.slow
def test_writers_edit_by_version_and_everybody_else_is_refused(tmp_path: Path) -> None:
    session = store_in(tmp_path)
    sources = Sources()
    rights = Rights(frozenset({"lab"}), frozenset({"lab"}))
    sources.add("lab/cells", f"proofread://{tmp_path}/edits.sqlite", rights)
    with serving(sources, ["precomputed", "view"], members={"ann": "lab", "bob": None}) as url:
        address = f"{url}/view/edits/lab/cells"
        ann = as_user("ann")

        def edit(name: str = "ann", **values: Any) -> httpx.Response:
            return httpx.post(address, json=values, headers=as_user(name))

        listed = httpx.get(f"{url}/view/edits?layer=lab/cells", headers=ann).json()
        first = listed["lab/cells"]["version"]
        assert listed == {"lab/cells": {"version": first, "writable": True}}
        assert httpx.get(f"{url}/view/edits?layer=lab/cells", headers=as_user("bob")).json() == {}
        assert httpx.get(f"{address}?since={first}").status_code == 401
        merge = {"action": "merge", "ids": ["11", str(LARGE)], "version": first}
        assert edit("bob", **merge).status_code == 403
        assert httpx.post(address, json=merge).status_code == 401
        assert httpx.post(address, json=merge, headers={"Origin": "https://evil.example"}).status_code == 401
        merged = edit(**merge)
        assert (merged.status_code, merged.json()["segments"]) == (200, ["11"])
        assert session.history()[-1].author == "ann"
        since = httpx.get(f"{address}?since={first}", headers=ann).json()
        assert since == {"version": merged.json()["version"], "replaced": {str(LARGE): ["11"]}}
        stale = edit(action="merge", ids=["11", "12"], version=first)
        assert stale.status_code == 409
        assert "segment 11" in stale.json()["message"]
        assert "has changed since version 0" in stale.json()["message"]
        undone = edit(action="undo", operation=merged.json()["operation"], version=merged.json()["version"])
        assert undone.status_code == 200
        assert session.segments_at([[8, 8, 60]]).tolist() == [LARGE]
        again = edit(action="redo", operation=undone.json()["operation"], version=undone.json()["version"])
        assert again.status_code == 200
        assert session.segments_at([[8, 8, 60]]).tolist() == [11]
        for wrong in (
            {"action": "merge", "ids": [11, 12]},
            {"action": "merge", "ids": ["11"]},
            {"action": "merge", "ids": ["11", str(2**64)]},
            {"action": "merge", "ids": ["11", "12"], "force": True},
            {"action": "merge", "ids": ["11", "12"], "id": "11"},
            {"action": "erase"},
            {"action": "undo"},
            {"action": "merge", "ids": ["11", "9" * 5000]},
            {"action": "split", "id": "11", "points_a_nm": [], "points_b_nm": [[0, 0, 0]]},
            {"action": "split", "id": "11", "points_a_nm": [[float("1e300")] * 3], "points_b_nm": [[0, 0, 0]]},
        ):
            assert edit(**wrong, version=again.json()["version"]).status_code == 400, wrong
        for version in ("", "0", "99." + first.partition(".")[2], "9" * 5000 + first[1:], "0.other"):
            assert edit(action="merge", ids=["11", "12"], version=version).status_code == 400


@pytest.mark.slow
def test_edits_that_take_long_hold_up_no_other_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_in(tmp_path)
    begun, go = Event(), Event()

    def merge_slowly(*arguments: Any) -> Any:
        begun.set()
        go.wait(100)
        return _ACTIONS["merge"](*arguments)

    monkeypatch.setattr(edits, "_ACTIONS", {"merge": merge_slowly})
    sources = Sources()
    sources.add("cells", f"proofread://{tmp_path}/edits.sqlite", Rights(writers=frozenset({"lab"})))
    sources.add("em", stored(np.zeros((4, 4, 4), "uint8")))
    limits = httpx.Limits(max_connections=None)
    with (
        serving(sources, ["view", "raw"], members={"ann": "lab"}) as url,
        ThreadPoolExecutor(40) as pool,
        httpx.Client(headers=as_user("ann"), limits=limits, timeout=60) as client,
    ):
        version = client.get(f"{url}/view/edits?layer=cells").json()["cells"]["version"]
        values = {"action": "merge", "ids": ["11", "12"], "version": version}
        sent = [pool.submit(client.post, f"{url}/view/edits/cells", json=values) for _ in range(40)]
        assert begun.wait(60)
        try:
            assert client.get(f"{url}/raw/em/info", timeout=20).status_code == 200
        finally:
            go.set()
        assert sorted(one.result().status_code for one in sent) == [200] + [409] * 39


@pytest.mark.slow
def test_versions_are_not_edited_and_have_no_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Session] = []

    def note(*arguments: Any) -> Session:
        made.append(Session(*arguments))
        return made[-1]

    monkeypatch.setattr(edits, "Session", note)
    session = store_in(tmp_path)
    for pair in ([11, 12], [11, 13]):
        session.merge(pair)
    sources = Sources()
    for name, query in (("cells", ""), ("first", "?version=1")):
        sources.add(name, f"proofread://{tmp_path}/edits.sqlite{query}", Rights(writers=frozenset({"lab"})))
    with serving(sources, ["view"], members={"ann": "lab"}) as url:
        now = httpx.get(f"{url}/view/edits?layer=cells").json()["cells"]["version"]
        lineage = now.partition(".")[2]
        for name in (f"cells@0.{lineage}", f"cells@1.{lineage}", f"cells@2.{lineage}", "first"):
            address = f"{url}/view/edits/{name}"
            merge = {"action": "merge", "ids": ["11", str(LARGE)], "version": f"0.{lineage}"}
            for answer in (
                httpx.get(f"{address}?since=0.{lineage}"),
                httpx.post(address, json=merge, headers=as_user("ann")),
            ):
                assert answer.status_code == 403, (name, answer.text)
        assert "one version, which stays as it is" in answer.json()["message"]
        for _ in range(2):
            assert httpx.get(f"{url}/view/edits/cells?since=0.{lineage}").status_code == 200
    assert len(made) == 1


def test_a_split_takes_points_in_nm(tmp_path: Path) -> None:
    session = store_in(tmp_path)
    merged = session.merge([12, 13])
    with voxome.view(session.volume, names=["cells"], proofread=True) as shown:
        address = f"{shown.url}/edits/cells"
        version = httpx.get(f"{shown.url}/edits?layer=cells").json()["cells"]["version"]
        assert version.startswith(f"{merged.version}.")
        values = {"action": "split", "id": "12", "points_a_nm": [[160, 80, 90]], "points_b_nm": [[160, 80, 230]]}
        assert httpx.post(address, json={**values, "version": version}).status_code == 401
        answer = httpx.post(address, json={**values, "version": version}, headers=PAGE)
        assert answer.status_code == 200, answer.text
        _, new = answer.json()["segments"]
        assert session.segments_at([[16, 16, 18], [16, 16, 46]]).tolist() == [12, int(new)]
    with voxome.view(session.volume, names=["cells"]) as shown:
        refused = httpx.post(f"{shown.url}/edits/cells", json={**values, "version": version}, headers=PAGE)
        assert refused.status_code == 403


@pytest.mark.slow
def test_a_version_has_its_own_voxels_and_meshes_for_good(tmp_path: Path) -> None:
    session = store_in(tmp_path)
    with voxome.view(session.volume, names=["cells"], proofread=True) as shown:
        root = shown.url.removesuffix("/view")

        def source() -> str:
            return str(httpx.get(f"{shown.url}/state").json()["layers"][0]["source"]).removeprefix("precomputed://")

        before = source()
        session.merge([11, 12])
        after = source()
        assert before != after
        assert "@0." in before
        for address, ids in ((before, {0, 11, 12, 13, LARGE}), (after, {0, 11, 13, LARGE})):
            volume = voxome.open(f"precomputed://{address}")
            assert set(np.unique(volume[...]).tolist()) == ids
        extent = [
            voxome.open(f"precomputed://{address}").mesh(11, service="own").vertices_nm[:, 2].max().item()
            for address in (before, after)
        ]
        assert extent == [80, 160]
        info = httpx.get(f"{after}/info")
        assert "immutable" in info.headers["cache-control"]
        assert "immutable" not in httpx.get(f"{root}/precomputed/cells/info").headers["cache-control"]
        lineage = after.rpartition(".")[2]
        for wrong in ("@7.", "@x.", "@-1."):
            address = f"{root}/precomputed/cells{wrong}{lineage}/info"
            assert httpx.get(address).status_code == 404
        assert httpx.get(f"{root}/precomputed/cells@0.abc/info").status_code == 404


def segments(page: Page) -> set[str]:
    """Return the segments that are shown; ``!`` marks those that are listed only."""
    listed = page.evaluate("viewer.state.toJSON().layers[0].segments ?? []")
    return {one for one in listed if not one.startswith("!")}


READY = (
    "() => window.viewer !== undefined && viewer.state.toJSON().layers?.length === 1 && viewer.isReady()"
    " && document.body.dataset.voxomeEdits?.includes('cells') && !document.querySelector('#voxome-proofread').hidden"
)


def point_at(page: Page, index: tuple[float, float, float], key: str) -> None:
    """Press a key while the mouse is over a voxel (x, y, z) of the upper left panel."""
    page.evaluate(f"viewer.position.value = Float32Array.of({index[0]}, {index[1]}, {index[2]})")
    page.wait_for_timeout(1000)
    page.wait_for_function("() => viewer.isReady()", timeout=60_000)
    page.mouse.move(300, 150)
    x, y = page.evaluate(
        """() => { const box = [...document.querySelectorAll('.neuroglancer-rendered-data-panel')][0]
             .getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }"""
    )
    there = (
        "(x) => viewer.mouseState.active && Math.abs(viewer.mouseState.position[0] - x) < 2"
        " && viewer.layerManager.managedLayers[0].layer.displayState.segmentSelectionState.value !== undefined"
    )
    for attempt in range(60):  # the viewer looks only where the mouse moves, and chunks may not be there yet
        page.mouse.move(x + attempt % 2, y)
        page.wait_for_timeout(300)
        if page.evaluate(there, index[0]):
            break
    page.keyboard.press(key)


def id_at(page: Page, index: tuple[float, float, float]) -> str:
    """Return the segment under the mouse, over a voxel (x, y, z)."""
    point_at(page, index, "Alt+Shift+Digit9")
    return str(
        page.evaluate("String(viewer.layerManager.managedLayers[0].layer.displayState.segmentSelectionState.value)")
    )


@pytest.mark.slow
def test_an_edit_on_one_page_shows_on_another_and_spares_what_was_done_meanwhile(
    tmp_path: Path, visit: Visit, chromium: Browser
) -> None:
    session = store_in(tmp_path)
    page = visit.page
    other = chromium.new_context().new_page()
    with voxome.view(session.volume, names=["cells"], proofread=True) as shown:
        for one in (page, other):
            one.goto(shown.url)
            one.wait_for_function(READY, timeout=60_000)
            one.evaluate(
                "for (const id of [11n, 12n, 13n])"
                " viewer.layerManager.managedLayers[0].layer.displayState.segmentationGroupState.value"
                ".visibleSegments.add(id)"
            )
        point_at(page, (8, 16, 16), "Alt+Digit1")
        point_at(page, (24, 16, 16), "Alt+Digit2")
        assert "1: 11   2: 12" in page.inner_text("#voxome-proofread")
        page.keyboard.press("Alt+KeyM")
        for one in (page, other):
            one.wait_for_function("() => document.body.dataset.voxomeEdits.includes('\"1.')", timeout=60_000)
            assert segments(one) == {"11", "13"}
        assert session.segments_at([[8, 8, 20]]).tolist() == [11]
        other.wait_for_function("() => viewer.isReady()", timeout=60_000)
        page.click("#voxome-proofread >> text=Undo")
        for one in (page, other):
            one.wait_for_function("() => document.body.dataset.voxomeEdits.includes('\"2.')", timeout=60_000)
            assert segments(one) == {"11", "12", "13"}

        def late(route: Any) -> None:
            page.evaluate(
                "viewer.layerManager.managedLayers[0].layer.displayState.segmentationGroupState.value"
                ".visibleSegments.delete(11n)"
            )
            route.continue_()

        page.route("**/view/edits/cells", late)
        page.click("#voxome-proofread >> text=Redo")
        page.wait_for_function("() => document.body.dataset.voxomeEdits.includes('\"3.')", timeout=60_000)
        assert segments(page) == {"11", "13"}  # 12, which was selected, is a part of 11 now
        page.evaluate(
            "viewer.layerManager.managedLayers[0].layer.displayState.segmentationGroupState.value"
            ".visibleSegments.delete(11n)"
        )
        page.unroute("**/view/edits/cells")
        page.click("#voxome-proofread >> text=Undo")
        page.wait_for_function("() => document.body.dataset.voxomeEdits.includes('\"4.')", timeout=60_000)
        assert segments(page) == {"13"}
        stale = [one for one in visit.requests if "precomputed/cells/" in one]
        assert not stale
    other.context.close()


@pytest.mark.slow
def test_a_segment_is_split_between_marked_points(tmp_path: Path, visit: Visit) -> None:
    session = store_in(tmp_path)
    session.merge([11, 12])
    page = visit.page
    with voxome.view(session.volume, names=["cells"], proofread=True) as shown:
        page.goto(shown.url)
        page.wait_for_function(READY, timeout=60_000)
        point_at(page, (8, 16, 16), "Alt+Digit1")
        point_at(page, (24, 16, 16), "Alt+Digit2")
        assert "1: 11   2: 11" in page.inner_text("#voxome-proofread")
        page.keyboard.press("Alt+KeyS")
        page.wait_for_function("() => document.body.dataset.voxomeEdits.includes('\"2.')", timeout=60_000)
        first, second = session.segments_at([[16, 16, 4], [16, 16, 28]]).tolist()
        assert (first, second) == (11, session.history()[-1].segments[1])
        assert id_at(page, (28, 16, 16)) == str(second)  # the voxels of the new version
