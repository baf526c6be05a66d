from __future__ import annotations

import httpx
import pytest

import voxome
from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.index import Index
from voxome.relay.relay import Relay
from voxome.relay.serve import in_thread


def test_the_first_page_leads_to_what_is_served() -> None:
    pytest.importorskip("neuroglancer")
    catalogue = MemoryCatalogue()
    relay = Relay(catalogue, Accounts(catalogue), "memory://index")
    with in_thread(create_app([Index(), *open_dialects(relay, ["view", "api", "boss"])])) as url:
        answer = httpx.get(url)
        assert answer.json() == {"name": "voxome relay", "version": voxome.__version__, "addresses": ["view", "api"]}
        for path in answer.json()["addresses"]:
            assert httpx.get(f"{url}/{path}", follow_redirects=True).status_code == 200
        page = httpx.get(url, headers={"Accept": "text/html,*/*;q=0.8"})
        assert '<a href="view">view</a>' in page.text
        assert "status" not in page.text
        assert page.headers["vary"].split(", ") == ["Accept", "Origin"]
        assert httpx.post(url).headers["allow"] == "GET, HEAD"
