"""Parameters of virtual layers are listed, and changed on the page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from peers.chromium import Visit, wait_until
from PIL import Image
from playwright.sync_api import Page
from relay.cache.caches import open_cache
from relay.serving import as_user, serving, stored
from relay.virtual.tools import installed

from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe

pytest.importorskip("neuroglancer")

RAMP = np.broadcast_to(np.arange(0, 256, 4, dtype="uint8"), (64, 64, 64)).copy()


@contextmanager
def served() -> Iterator[str]:
    with installed():
        sources = Sources(open_cache())
        sources.add("lab/em", stored(RAMP, voxel_size_nm=(8, 8, 8)))
        sources.add("private", stored(RAMP), Rights(frozenset({"lab"})))
        sources.add_virtual("lab/over", Recipe("lab.share", {"": "lab/em"}, {"at": 0.75}, "over"))
        sources.add_virtual("lab/smooth", Recipe("lab.smooth", {"": "lab/em"}, vary=()))
        sources.add_virtual("lab/bright", Recipe("common.threshold", {"": "lab/em"}, {"at": 192}))
        sources.add_virtual("hidden", Recipe("common.threshold", {"": "private"}))
        with serving(sources, ["view", "precomputed"], members={"ann": "lab"}) as url:
            yield url


def test_the_parameters_that_may_be_changed_have_types_limits_and_meanings() -> None:
    with served() as url:
        names = ["lab/over", "lab/smooth", "lab/em", "hidden", "none"]
        answer = httpx.get(f"{url}/view/parameters", params=[("layer", name) for name in names])
        listed = answer.json()
        own = httpx.get(f"{url}/view/parameters?layer=hidden", headers=as_user("ann")).json()
    assert answer.headers["cache-control"] == "no-store"
    at, invert = listed.pop("lab/over")
    assert (at["name"], at["type"], at["value"], at["minimum"], at["maximum"]) == ("at", "double", 0.75, 0, 1)
    assert (invert["name"], invert["type"], invert["value"]) == ("invert", "boolean", False)
    assert listed == {"lab/smooth": [], "lab/em": [], "hidden": [], "none": []}
    assert own["hidden"][0] == {
        "name": "at",
        "type": "double",
        "value": 0.5,
        "summary": "Threshold in the values of the volume; voxels above it are marked.",
    }


def test_a_shared_view_keeps_variants_of_layers_that_the_caller_may_see() -> None:
    with served() as url:
        sources = [f"precomputed://{url}/precomputed/{name}" for name in ("lab/over;at=0.5", "hidden;at=3")]
        state = {"layers": [{"name": str(n), "type": "image", "source": one} for n, one in enumerate(sources)]}
        id = httpx.post(f"{url}/view/states", params={"base": f"{url}/"}, json=state).json()["id"]
        kept = httpx.get(f"{url}/view/states/{id}", params={"base": f"{url}/"}).json()
    assert [layer["source"] for layer in kept["layers"]] == [sources[0]]


def bright(page: Page) -> int:
    """Return the number of bright pixels of the layer in the first panel."""
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot(clip={"x": 200, "y": 80, "width": 240, "height": 220}))))
    return int((shot[..., :3].min(axis=-1) > 200).sum())


@pytest.mark.slow
def test_a_slider_changes_what_is_drawn(visit: Visit) -> None:
    page = visit.page
    with served() as url:
        page.goto(f"{url}/view?layer=lab/bright")
        page.wait_for_function("() => window.viewer?.isReady()", timeout=60_000)
        page.wait_for_selector("#voxome-parameters input", timeout=60_000)
        assert page.input_value('input[data-parameter="lab/bright at"]') == "192"
        wait_until(page, lambda: bright(page) > 0)
        page.wait_for_timeout(300)  # until all panels are drawn
        before = bright(page)
        page.fill('input[data-parameter="lab/bright at"]', "64")
        page.wait_for_function("() => document.body.dataset.voxomeParameters.includes('64')", timeout=60_000)
        wait_until(page, lambda: bright(page) > 2 * before)
        page.fill('input[data-parameter="lab/bright at"]', "")
        page.wait_for_timeout(600)
        drawn = [one for one in visit.requests if "/precomputed/lab/bright" in one and "0-64_0-64_0-64" in one]
    assert [one.partition("/precomputed/")[2] for one in drawn] == [
        "lab/bright/0/0-64_0-64_0-64", "lab/bright;at=64/0/0-64_0-64_0-64",
    ]  # fmt: skip
