"""The page behind proxies at a path, as those of notebooks and hubs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from peers.chromium import wait_until
from peers.pictures import share_of
from playwright.sync_api import Browser
from relay.proxy import PREFIX, proxy
from relay.serving import serving, stored

from voxome.relay.config import TlsConfig
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources


def sources_of(*, private: bool) -> Sources:
    sources = Sources()
    rights = Rights(frozenset({"lab"})) if private else Rights()
    sources.add("lab/em", stored(np.full((64, 64, 64), 200, np.uint8), voxel_size_nm=(8, 8, 8)), rights)
    return sources


def test_a_prefix_is_taken_off_where_a_proxy_keeps_it() -> None:
    with serving(sources_of(private=False), ["precomputed", "view"], prefix=PREFIX) as url:
        for path in ("/precomputed/lab/em/info", "/view/state", "/view/v/relay/"):
            assert httpx.get(url + path).status_code == 200
            assert httpx.get(url + PREFIX + path).status_code == 200
        assert httpx.get(f"{url}{PREFIX}x/view/state").status_code == 404
        assert httpx.get(f"{url}{PREFIX}/..%2fview/state").status_code == 404
    with serving(sources_of(private=False), ["precomputed", "view"]) as url:
        assert httpx.get(f"{url}{PREFIX}/view/state").status_code == 404


def certificate(folder: Path) -> TlsConfig:
    key, file = folder / "key.pem", folder / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    return TlsConfig(certificate=file, key=key)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize(("keeps", "secure"), [(False, False), (True, True)])
def test_nothing_is_requested_outside_the_prefix_and_every_layer_is_drawn(
    tmp_path: Path, chromium: Browser, keeps: bool, secure: bool
) -> None:
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    with (
        serving(
            sources_of(private=True), ["precomputed", "view"], members={"ann": "lab"}, prefix=PREFIX if keeps else ""
        ) as url,
        proxy(url, keeps_prefix=keeps, tls=certificate(tmp_path) if secure else None) as address,
    ):
        page.goto(f"{address}/view?layer=lab/em")
        page.wait_for_selector("#voxome-login", timeout=60_000)
        page.fill("#voxome-login input", "ann-token")
        page.click("#voxome-login button >> text=Log in")
        page.wait_for_selector("text=Log out ann", timeout=60_000)
        ready = "() => viewer.state.toJSON().layers?.length === 1 && viewer.isReady()"
        page.wait_for_function(ready, timeout=60_000)
        wait_until(
            page, lambda: share_of(page.screenshot(), lambda r, g, b: (r == 200) & (g == 200) & (b == 200)) > 0.01
        )
        (cookie,) = context.cookies()
        assert (cookie["path"], cookie["secure"]) == (f"{PREFIX}/", secure)
        page.click("#voxome-share")
        note = page.wait_for_selector("text=?s=", timeout=60_000)
        assert note is not None
        link = note.inner_text()
        assert link.startswith(f"{address}/view/v/relay/?s=")
        page.goto("about:blank")
        page.goto(link)
        page.wait_for_function(ready, timeout=60_000)
        assert not [one for one in requests if "://" in one and not one.startswith(f"{address}/") and one[:4] == "http"]
        assert any("/precomputed/lab/em/0/" in one for one in requests)
        assert any("/view/events/" in one for one in requests)
        context.close()
