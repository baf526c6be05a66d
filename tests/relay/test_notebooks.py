from __future__ import annotations

import httpx
import numpy as np
import pytest
from relay.proxy import proxy

import voxome
from voxome.relay.notebooks import frame, hub_address, hub_hosts

LOCAL = "http://127.0.0.1:8001"


@pytest.mark.parametrize(
    ("environment", "address", "hosts"),
    [
        ({}, None, []),
        ({"JUPYTERHUB_HOST": "https://hub.example.org"}, None, []),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}, "/user/ann/proxy/8001", ["*"]),
        (
            {"JUPYTERHUB_SERVICE_PREFIX": "/hub/user/ann/", "JUPYTERHUB_PUBLIC_URL": "https://h.org:444/hub/user/ann/"},
            "https://h.org:444/hub/user/ann/proxy/8001", ["h.org"],
        ),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/", "JUPYTERHUB_HOST": "javascript:x"}, "/proxy/8001", ["*"]),
    ],
)  # fmt: skip
def test_the_address_on_a_hub(environment: dict[str, str], address: str | None, hosts: list[str]) -> None:
    assert hub_address(environment, LOCAL) == address
    assert hub_hosts(environment) == hosts


@pytest.mark.slow
def test_a_view_on_a_hub_has_the_address_of_the_hub_and_nothing_insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "https://hub.example.org/user/ann/")
    with voxome.view(np.zeros((4, 5, 6), np.uint8)) as shown:
        assert shown.url.startswith("https://hub.example.org/user/ann/proxy/")
        assert shown.url.endswith("/view/")
        text = shown._repr_html_()
        assert f'<iframe src="{shown.url}"' in text
        assert f'<a href="{shown.url}"' in text
        assert "http://" not in text
        local = f"http://127.0.0.1:{shown.url.split('/')[-3]}"
        with proxy(local) as address:
            page = httpx.get(f"{address}/view/", follow_redirects=True)
            assert (page.status_code, str(page.url)) == (200, f"{address}/view/v/relay/")
            assert not {"x-frame-options", "content-security-policy"} & set(page.headers)
        for host, status in (("hub.example.org", 200), ("evil.example", 400)):
            assert httpx.get(f"{local}/view/state", headers={"Host": host}).status_code == status


def test_a_frame_has_a_link_and_says_what_a_hub_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "jupyter-server-proxy" not in frame("http://127.0.0.1:1/view")
    monkeypatch.setattr("voxome.relay.notebooks.find_spec", lambda name: None)
    assert "jupyter-server-proxy" in frame("/user/ann/proxy/1/view/")
    assert "<b>" not in frame("/user/<b>/proxy/1/view/")
