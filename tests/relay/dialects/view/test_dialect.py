from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from peers.chromium import Visit
from relay.serving import as_user, serving, stored

from voxome.relay.collections import Collections
from voxome.relay.dialects.view import kept_states
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.viewer.layers import Layers

BASE = "https://lab.example.org/hub/user/ann/proxy/8001/"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    sources = Sources()
    sources.add("em", stored(np.zeros((4, 5, 6), np.uint8), voxel_size_nm=(40, 8, 4)))
    sources.add("lab/cells", stored(np.zeros((4, 5, 6), np.uint64), kind="labels"))
    sources.add("secret", stored(np.zeros((4, 5, 6), np.uint8)), Rights(frozenset({"lab"})))
    with serving(sources, ["precomputed", "view"], members={"ann": "lab", "bob": None}) as url:
        yield url


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return list(Layers(answer.json()))


@pytest.mark.slow
def test_the_page_needs_nothing_from_elsewhere_and_no_absolute_address(url: str) -> None:
    answer = httpx.get(f"{url}/view?layer=em")
    assert answer.headers["location"] == "view/v/relay/?layer=em"
    assert httpx.get(f"{url}/view/").headers["location"] == "v/relay/"
    page = httpx.get(f"{url}/view/v/relay/?layer=em")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'src="/' not in page.text
    assert "https://" not in page.text
    script = page.text.partition('defer src="')[2].partition('"')[0]
    file = httpx.get(f"{url}/view/v/relay/{script}")
    assert (file.status_code, file.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert httpx.get(file.url, headers={"If-None-Match": file.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.js", "..%2fstates.py", "index.html", "%00.js", ".js"])
def test_nothing_else_is_served(url: str, name: str) -> None:
    assert httpx.get(f"{url}/view/v/relay/{name}").status_code in (400, 404)


@pytest.mark.slow
def test_the_first_state_has_the_sources_that_the_caller_may_read(url: str) -> None:
    assert names(httpx.get(f"{url}/view/state")) == ["em", "lab/cells"]
    assert names(httpx.get(f"{url}/view/state", headers=as_user("ann"))) == ["em", "secret", "lab/cells"]
    assert names(httpx.get(f"{url}/view/state?layer=lab/cells&layer=em")) == ["em", "lab/cells"]
    assert httpx.get(f"{url}/view/state?layer=secret").status_code == 401


@pytest.mark.parametrize("path", ["state?s=1f", "states/1f?s=1", "edits?name=em", "edits/em?sinc=0", "parameters?s=1"])
def test_an_unknown_parameter_is_refused_and_the_known_are_named(url: str, path: str) -> None:
    answer = httpx.get(f"{url}/view/{path}")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Unknown parameter ")


@contextmanager
def serving_what_fails() -> Iterator[str]:
    sources, collections = Sources(), Collections()
    sources.add("em", stored(np.zeros((4, 5, 6), np.uint8), voxel_size_nm=(40, 8, 4)))
    sources.add("lab/away", "memory://nothing-is-here")
    collections.add("lab/points", "precomputed:///nothing/is/here")
    with serving(sources, ["precomputed", "view"], collections=collections) as url:
        yield url


@pytest.mark.slow
def test_what_cannot_be_opened_is_left_out_and_named() -> None:
    with serving_what_fails() as url:
        answer = httpx.get(f"{url}/view/state")
        assert names(answer) == ["em"]
        assert answer.headers["x-voxome-left-out"] == "lab/away, lab/points"
        answer = httpx.get(f"{url}/view/state?layer=lab/away&layer=em")
        assert (names(answer), answer.headers["x-voxome-left-out"]) == (["em"], "lab/away")
        assert "x-voxome-left-out" not in httpx.get(f"{url}/view/state?layer=em").headers
        answer = httpx.get(f"{url}/view/state?layer=lab/away")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert httpx.get(f"{url}/view/state?layer=em&layer=none").status_code == 404


def test_sources_are_named_in_a_format_that_the_viewer_reads_or_left_out() -> None:
    sources = Sources()
    sources.add("em", stored(np.zeros((4, 5, 6), np.uint8)))
    sources.add("flat", stored(np.zeros((5, 6), np.uint8)))
    sources.add("precise", stored(np.zeros((4, 5, 6), np.float64)))
    with serving(sources, ["precomputed", "view", "zarr"]) as url:
        answer = httpx.get(f"{url}/view/state")
        assert answer.headers["x-voxome-left-out"] == "precise"
        assert [one["source"] for one in answer.json()["layers"]] == [
            f"precomputed://{url}/precomputed/em", f"zarr2://{url}/zarr/flat",
        ]  # fmt: skip


@pytest.mark.slow
def test_the_page_says_what_is_not_shown(visit: Visit) -> None:
    page = visit.page
    with serving_what_fails() as url:
        page.goto(f"{url}/view")
        page.wait_for_function("() => document.body.dataset.voxomeLeftOut === 'lab/away, lab/points'", timeout=60_000)
        assert page.get_by_text("cannot be reached now: lab/away, lab/points").is_visible()
        page.wait_for_function("() => window.viewer?.isReady()", timeout=60_000)
        page.goto(f"{url}/view?layer=em")
        page.wait_for_function("() => window.viewer?.isReady()", timeout=60_000)
        assert page.get_by_text("cannot be reached now").count() == 0


@pytest.mark.slow
def test_the_sources_have_the_address_by_which_the_page_was_opened(url: str) -> None:
    layers = Layers(httpx.get(f"{url}/view/state", params={"base": BASE}).json())
    assert layers.uris("lab/cells") == [f"precomputed://{BASE}precomputed/lab/cells"]
    for wrong in ("javascript:alert(1)/", "http://host", 'http://"/'):
        assert httpx.get(f"{url}/view/state", params={"base": wrong}).status_code == 400


def share(url: str, state: dict[str, Any], base: str, name: str = "ann") -> str:
    answer = httpx.post(f"{url}/view/states", params={"base": base}, json=state, headers=as_user(name))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest.mark.slow
def test_a_shared_state_is_the_same_under_every_address(url: str) -> None:
    state = httpx.get(f"{url}/view/state", params={"base": BASE}).json()
    state["layers"][1]["segments"] = [str(2**63 + 5)]
    id = share(url, state, BASE)
    assert share(url, state, BASE) == id
    other = "http://127.0.0.1:8090/"
    found = httpx.get(f"{url}/view/states/{id}", params={"base": other}).json()
    assert Layers(found).segments("lab/cells") == [2**63 + 5]
    assert Layers(found).uris("em") == [f"precomputed://{other}precomputed/em"]
    assert httpx.get(f"{url}/view/states/{id}", params={"base": BASE}).json() == state
    assert len(f"{BASE}view/v/relay/?s={id}") < 200


@pytest.mark.slow
def test_who_may_not_read_a_layer_gets_the_state_without_it(url: str) -> None:
    state = httpx.get(f"{url}/view/state", params={"base": BASE}, headers=as_user("ann")).json()
    state["layers"].append({"name": "elsewhere", "source": "precomputed://https://other.org/em"})
    address = f"{url}/view/states/{share(url, state, BASE)}"
    assert names(httpx.get(address, headers=as_user("ann"))) == ["em", "secret", "lab/cells", "elsewhere"]
    assert names(httpx.get(address, headers=as_user("bob"))) == ["em", "lab/cells", "elsewhere"]
    assert names(httpx.get(address)) == ["em", "lab/cells", "elsewhere"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bob", None])
def test_the_oldest_states_of_an_owner_make_room_for_new_ones(
    url: str, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    monkeypatch.setattr(kept_states, "MOST_STATES", 2)
    other = share(url, {"layers": [], "number": f"not of {name}"}, BASE, "ann")
    headers = as_user(name) if name else {}
    ids = []
    for number in range(3):
        answer = httpx.post(f"{url}/view/states", json={"layers": [], "number": f"{number} of {name}"}, headers=headers)
        assert answer.status_code == 200
        ids.append(answer.json()["id"])
    assert [httpx.get(f"{url}/view/states/{id}").status_code for id in [other, *ids]] == [200, 404, 200, 200]


@pytest.mark.slow
def test_states_are_bounded_in_size(url: str) -> None:
    large = {"layers": [], "text": "x" * kept_states.LARGEST_ANONYMOUS_BYTES}
    refused = httpx.post(f"{url}/view/states", json=large)
    assert refused.status_code == 400
    assert "use the whole link" in refused.json()["message"]
    assert httpx.post(f"{url}/view/states", json=large, headers=as_user("bob")).status_code == 200
    for body, status in ((b"[1]", 400), (b"{", 400), (b"x" * (8 * 2**20 + 1), 413)):
        assert httpx.post(f"{url}/view/states", content=body).status_code == status


@pytest.mark.parametrize("state", [{"layers": 5}, {"layers": ["em"]}, {"layers": [{}]}, {"sources": ["em"]}])
def test_json_that_is_not_a_state_is_refused(url: str, state: dict[str, Any]) -> None:
    answer = httpx.post(f"{url}/view/states", json=state)
    assert answer.status_code == 400
    assert "state" in answer.json()["message"]


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_pages_of_other_origins_share_nothing(url: str, header: dict[str, str]) -> None:
    state = {"layers": [], "title": str(header)}
    answer = httpx.post(f"{url}/view/states", params={"base": "https://evil.example/"}, json=state, headers=header)
    assert answer.status_code == 401
    assert httpx.post(f"{url}/view/states", json=state, headers={"Origin": url}).status_code == 200


def test_an_unknown_state_is_not_found(url: str) -> None:
    answer = httpx.get(f"{url}/view/states/abc")
    assert (answer.status_code, answer.json()["message"]) == (404, "no view abc is kept here")


def test_the_connection_of_the_viewer_stays_open(url: str) -> None:
    with httpx.stream("GET", f"{url}/view/events/relay", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert next(answer.iter_text()) == ":\n\n"
