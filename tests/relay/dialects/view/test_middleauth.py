"""Viewers of other origins, which log in by the protocol of Neuroglancer's ``middleauth+https://``."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from peers.chromium import Visit
from relay.serving import as_user, serving, stored
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from voxome.relay.rights import Rights
from voxome.relay.serve import in_thread
from voxome.relay.sessions import LIFETIME_S
from voxome.relay.sources import Sources

SAME = {"Sec-Fetch-Site": "same-origin"}
VIEWER = "https://viewer.example"
CHUNK = "precomputed/secret/0/0-64_0-64_0-64"
PAGE = """<!doctype html><button id="login">Login</button><pre id="shown"></pre><script>
// What Neuroglancer's client does for a layer middleauth+https://…, in short.
const app = new URLSearchParams(location.search).get("app");
document.querySelector("#login").onclick = async () => {
  const { login_url } = await (await fetch(`${app}/auth_info`)).json();
  const popup = window.open(`${login_url}/api/v1/authorize`, undefined, "width=400, height=650");
  addEventListener("message", async (event) => {
    if (event.source !== popup) return;
    popup.close();
    const headers = { Authorization: `Bearer ${event.data.token}` };
    const verified = event.data.app_urls.includes(new URL(app).origin);
    const answer = await fetch(`${app}/CHUNK`, { headers });
    const voxels = new Uint8Array(await answer.arrayBuffer());
    document.querySelector("#shown").textContent = `${verified} ${answer.status} ${voxels.length} ${voxels[77]}`;
  });
};
</script>""".replace("CHUNK", CHUNK)

TIMERS = (
    "const timers = []; setTimeout = (then) => timers.push(then); window.later = () => timers.forEach((one) => one());"
)
"""What waits in the page runs when a test says so."""


def relay_for(*origins: str) -> Iterator[str]:
    sources = Sources()
    voxels = np.full((64, 64, 64), 200, np.uint8)
    sources.add("secret", stored(voxels, voxel_size_nm=(8, 8, 8)), Rights(frozenset({"lab"}), frozenset({"lab"})))
    dialects = ["precomputed", "raw", "view"]
    with serving(sources, dialects, members={"ann": "lab", "bob": None, "root": "admin"}, allow_origins=origins) as url:
        yield url


@pytest.fixture
def url() -> Iterator[str]:
    yield from relay_for(VIEWER)


@pytest.fixture
def open_url() -> Iterator[str]:
    yield from relay_for("*")


def session(url: str, user: str = "ann") -> dict[str, str]:
    answer = httpx.post(f"{url}/view/login", json={"token": f"{user}-token"}, headers=SAME)
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0], **SAME}


def lend(url: str, headers: dict[str, str], origin: object = VIEWER) -> httpx.Response:
    return httpx.post(f"{url}/view/middleauth/lend", json={"origin": origin}, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Origin": VIEWER, "Sec-Fetch-Site": "cross-site"}


def test_a_viewer_learns_where_people_log_in(url: str) -> None:
    answer = httpx.get(f"{url}/auth_info", headers={"Origin": VIEWER})
    assert answer.headers["access-control-allow-origin"] == VIEWER
    page = httpx.get(f"{answer.json()['login_url']}/api/v1/authorize")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]


@pytest.mark.slow
def test_a_lent_token_only_reads_and_ends_with_its_session(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = session(url)
    lent = bearer(lend(url, cookie).json()["token"])
    assert httpx.get(f"{url}/{CHUNK}", headers=lent).status_code == 200
    write = httpx.put(f"{url}/raw/secret/cutout?box=0:1,0:1,0:1", content=b"x", headers=lent)
    assert write.status_code == 401
    assert "only reads" in write.json()["message"]
    value = lent["Authorization"].partition(" ")[2]
    assert httpx.get(f"{url}/{CHUNK}", headers={"Cookie": f"voxome_session={value}", **SAME}).status_code == 401
    assert httpx.get(f"{url}/{CHUNK}", headers=bearer("lent-wrong")).status_code == 401
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + LIFETIME_S + 1)
    ended = httpx.get(f"{url}/{CHUNK}", headers=lent)
    assert ended.status_code == 401
    assert "has ended" in ended.json()["message"]


def test_logging_out_ends_what_was_lent(url: str) -> None:
    cookie = session(url)
    lent = bearer(lend(url, cookie).json()["token"])
    httpx.post(f"{url}/view/logout", headers=cookie)
    assert httpx.get(f"{url}/{CHUNK}", headers=lent).status_code == 401


@pytest.mark.slow
def test_a_token_is_lent_to_named_viewers_by_the_page_of_the_relay_only(url: str) -> None:
    cookie = session(url)
    assert lend(url, cookie, "https://evil.example").status_code == 403
    assert "allow_origins" in lend(url, cookie, "https://evil.example").json()["message"]
    assert lend(url, cookie, 7).status_code == 400
    assert lend(url, SAME).status_code == 401
    assert lend(url, {**cookie, "Sec-Fetch-Site": "cross-site"}).status_code == 401
    assert lend(url, {**as_user("ann"), **SAME}).status_code == 403
    lent = lend(url, cookie).json()["token"]
    assert lend(url, {**bearer(lent), **SAME}).status_code == 401


def test_who_may_not_read_gets_nothing_by_a_lent_token(url: str) -> None:
    lent = bearer(lend(url, session(url, "bob")).json()["token"])
    assert httpx.get(f"{url}/{CHUNK}", headers=lent).status_code == 403


@pytest.mark.slow
def test_a_layer_is_shown_by_a_viewer_of_another_origin_after_a_login(open_url: str, visit: Visit) -> None:
    async def page_of_viewer(request: object) -> Response:
        return HTMLResponse(PAGE)

    page = visit.page
    with in_thread(Starlette(routes=[Route("/", page_of_viewer)])) as viewer:
        page.context.add_init_script(TIMERS)
        page.goto(f"{viewer}/?app={open_url}")
        with page.expect_popup() as opened:
            page.click("#login")
        popup = opened.value
        popup.fill("input", "ann-token")
        assert popup.is_disabled("button")
        popup.evaluate("later()")
        popup.click("button")
        popup.wait_for_selector(f"text={viewer} wants to read what you, ann, may read here.")
        popup.keyboard.press("Enter")
        assert popup.evaluate("document.activeElement === document.body")
        assert popup.is_disabled("button")
        popup.evaluate("later()")
        popup.click("button >> text=Allow")
        page.wait_for_function("() => document.querySelector('#shown').textContent", timeout=60_000)
        assert page.inner_text("#shown") == f"true 200 {64**3} 200"
        assert not [one for one in visit.requests if "lent-" in one or "ann-token" in one]


def test_a_session_says_which_viewers_read_by_it(url: str) -> None:
    cookie = session(url)
    assert httpx.get(f"{url}/view/session", headers=cookie).json()["viewers"] == []
    lend(url, cookie)
    assert httpx.get(f"{url}/view/session", headers=cookie).json()["viewers"] == [VIEWER]
    assert httpx.get(f"{url}/view/session").json()["viewers"] == []


@pytest.mark.parametrize("path", ["view/middleauth", "view/middleauth/", "view/middleauth/api/v1/authorize"])
def test_the_address_of_the_login_has_a_page(url: str, path: str) -> None:
    page = httpx.get(f"{url}/{path}")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["view/middleauth", "view/middleauth/api/v1/authorize"])
def test_people_log_in_and_out_on_the_page_without_a_viewer(url: str, visit: Visit, path: str) -> None:
    page = visit.page
    page.context.add_init_script(TIMERS)
    page.goto(f"{url}/{path}")
    page.wait_for_selector("text=Log in with your token, for what is not public here.")
    for token, shown in {"wrong": "You are not logged in: ", "ann-token": "You are logged in as ann."}.items():
        page.fill("input", token)
        page.evaluate("later()")
        page.click("button >> text=Log in")
        page.wait_for_selector(f"text={shown}")
    assert page.inner_text("p >> nth=1") == "No viewer reads as you do."
    assert page.evaluate("document.querySelector('a').href") == f"{url}/view/"
    page.evaluate(
        f"fetch('{url}/view/middleauth/lend', {{method: 'POST', body: JSON.stringify({{origin: '{VIEWER}'}})}})"
    )
    page.reload()
    page.wait_for_selector(f"li >> text={VIEWER}")
    page.evaluate("later()")
    page.click("button >> text=Log out")
    page.wait_for_selector("input")
    assert httpx.get(f"{url}/{CHUNK}").status_code == 401


@pytest.mark.slow
def test_an_admin_learns_why_nothing_is_lent_and_logs_in_as_another_user(open_url: str, visit: Visit) -> None:
    async def page_of_viewer(request: object) -> Response:
        return HTMLResponse(PAGE)

    page = visit.page
    with in_thread(Starlette(routes=[Route("/", page_of_viewer)])) as viewer:
        page.context.add_init_script(TIMERS)
        page.goto(f"{viewer}/?app={open_url}")
        with page.expect_popup() as opened:
            page.click("#login")
        popup = opened.value

        def press(label: str) -> None:
            popup.wait_for_selector(f"button >> text={label}")
            popup.evaluate("later()")
            popup.click(f"button >> text={label}")

        for user in ("root", "ann"):
            popup.wait_for_selector("input")
            popup.fill("input", f"{user}-token")
            press("Log in")
            press("Allow")
            if user == "root":
                popup.wait_for_selector("text=the rights of an admin are lent to no viewer")
                press("Log out")
        page.wait_for_function("() => document.querySelector('#shown').textContent", timeout=60_000)
        assert page.inner_text("#shown").startswith("true 200 ")
