from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from peers.chromium import Visit, wait_until
from peers.pictures import share_of
from relay.serving import as_user, serving, stored

from voxome.relay.rights import Rights
from voxome.relay.sessions import LIFETIME_S
from voxome.relay.sources import Sources

PAGE = {"Sec-Fetch-Site": "same-origin"}
CHUNK = "precomputed/secret/0/0-64_0-64_0-64"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    sources = Sources()
    voxels = np.full((64, 64, 64), 200, np.uint8)
    sources.add("secret", stored(voxels, voxel_size_nm=(8, 8, 8)), Rights(frozenset({"lab"}), frozenset({"lab"})))
    sources.add("open", stored(voxels, voxel_size_nm=(8, 8, 8)))
    with serving(sources, ["boss", "precomputed", "raw", "view", "zarr"], members={"ann": "lab", "bob": None}) as url:
        yield url


def log_in(url: str, token: str = "ann-token", **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/view/login", json={"token": token}, headers={**PAGE, **headers})


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.mark.slow
def test_the_cookie_is_opaque_and_hidden_from_scripts_and_other_sites(url: str) -> None:
    answer = log_in(url)
    header = answer.headers["set-cookie"]
    assert "ann-token" not in header
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age="):
        assert part in header
    assert "Secure" not in header
    base = "https://hub.example.org/user/ann/proxy/8001/"
    behind = httpx.post(f"{url}/view/login", params={"base": base}, json={"token": "ann-token"}, headers=PAGE)
    assert "Secure" in behind.headers["set-cookie"]
    assert "Path=/user/ann/proxy/8001/;" in behind.headers["set-cookie"]
    assert log_in(url, "wrong").status_code == 401
    assert log_in(url, "public").status_code == 401
    assert log_in(url, "").status_code == 401
    assert httpx.post(f"{url}/view/login", json={}, headers=PAGE).status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize("path", [CHUNK, "precomputed/secret/info", "raw/secret/info", "zarr/secret/.zattrs"])
def test_a_session_reads_in_every_dialect_but_not_for_other_origins(url: str, path: str) -> None:
    cookie = cookie_of(log_in(url))
    assert httpx.get(f"{url}/{path}").status_code == 401
    answer = httpx.get(f"{url}/{path}", headers={**cookie, **PAGE})
    assert answer.status_code == 200
    assert httpx.get(f"{url}/{path}", headers=cookie).status_code == 200
    for site in ("cross-site", "same-site"):
        assert httpx.get(f"{url}/{path}", headers={**cookie, "Sec-Fetch-Site": site}).status_code == 401
    assert httpx.get(f"{url}/{path}", headers={**cookie, "Origin": "https://evil.example"}).status_code == 401
    if path.startswith("precomputed"):
        assert {"Authorization", "Cookie"} <= set(answer.headers["vary"].split(", "))
        assert answer.headers["cache-control"].startswith("private")


@pytest.mark.slow
def test_a_write_needs_proof_of_its_origin(url: str) -> None:
    cookie = cookie_of(log_in(url))
    voxels = io.BytesIO()
    np.save(voxels, np.full((1, 1, 1), 7, np.uint8))

    def write(**headers: str) -> int:
        where = f"{url}/raw/secret/cutout?box=0:1,0:1,0:1"
        return httpx.put(where, content=voxels.getvalue(), headers={**cookie, **headers}).status_code

    assert write() == 401
    for site in ("same-site", "cross-site", "none"):
        assert write(**{"Sec-Fetch-Site": site}) == 401
    assert write(Origin="https://evil.example") == 401
    assert write(**PAGE) == write(Origin=url) == 204
    for name in ("login", "logout"):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
            answer = httpx.post(f"{url}/view/{name}", json={"token": "ann-token"}, headers={**cookie, **headers})
            assert answer.status_code in (401, 403)
            assert "set-cookie" not in answer.headers


@pytest.mark.slow
def test_after_its_end_a_session_is_refused_and_public_data_stays(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = {**cookie_of(log_in(url)), **PAGE}
    session = httpx.get(f"{url}/view/session", headers=cookie).json()
    assert 0 < session.pop("left_s") <= LIFETIME_S
    assert session == {"user": "ann", "expired": False, "viewers": []}
    real = time.time
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: real() + LIFETIME_S + 1)
        assert httpx.get(f"{url}/{CHUNK}", headers=cookie).status_code == 401
        assert httpx.get(f"{url}/{CHUNK.replace('secret', 'open')}", headers=cookie).status_code == 200
        assert httpx.get(f"{url}/view/session", headers=cookie).json() == {
            "user": "",
            "expired": True,
            "left_s": 0,
            "viewers": [],
        }
    assert httpx.get(f"{url}/{CHUNK}", headers=cookie).status_code == 200
    assert httpx.post(f"{url}/view/logout", headers=cookie).status_code == 200
    assert httpx.get(f"{url}/{CHUNK}", headers=cookie).status_code == 401


def test_a_header_counts_before_a_cookie(url: str) -> None:
    cookie = {**cookie_of(log_in(url)), **PAGE}
    assert httpx.get(f"{url}/{CHUNK}", headers={**cookie, **as_user("bob")}).status_code == 403


@pytest.mark.slow
def test_a_private_layer_shows_after_a_login_and_its_end_is_an_error(
    url: str, visit: Visit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    page = visit.page
    page.goto(f"{url}/view?layer=secret")
    page.wait_for_selector("#voxome-login", timeout=60_000)
    assert "Unauthorized" not in page.inner_text("body")
    buttons = [page.locator("#voxome-account"), page.locator("#voxome-share")]
    assert [(one.count(), one.is_visible()) for one in buttons] == [(1, False)] * 2  # as the dialog would cover them
    page.click("#voxome-login >> text=Cancel")
    assert all(one.is_visible() for one in buttons)
    page.click("#voxome-account", timeout=60_000)
    page.wait_for_selector("#voxome-login")
    page.reload()
    page.wait_for_selector("#voxome-login", timeout=60_000)
    page.fill("#voxome-login input", "ann-token")
    page.click("#voxome-login button >> text=Log in")
    page.wait_for_selector("text=Log out ann", timeout=60_000)
    page.wait_for_function("() => viewer.state.toJSON().layers?.length === 1 && viewer.isReady()", timeout=60_000)
    wait_until(page, lambda: share_of(page.screenshot(), lambda r, g, b: (r == 200) & (g == 200) & (b == 200)) > 0.01)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.click("#voxome-share")
    page.wait_for_selector("text=?s=", timeout=60_000)
    texts = [*visit.requests, page.url, page.content(), page.evaluate("JSON.stringify(viewer.state.toJSON())")]
    texts += [record.getMessage() for record in caplog.records]
    for secret in ("ann-token", cookie["value"]):
        assert not [text for text in texts if secret in text]
    real = time.time
    later = LIFETIME_S + 1
    monkeypatch.setattr(time, "time", lambda: real() + later)
    page.wait_for_selector("#voxome-login >> text=Your session has ended", timeout=60_000)
    assert share_of(page.screenshot(), lambda red, green, blue: red + green + blue < 30) < 0.01
