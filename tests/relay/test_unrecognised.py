"""A volume that is named without its format is away, for itself only, while its store does not answer."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.writes.journals import LAB, MIB

import voxome
from voxome.contracts.uri import Uri
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.caching import Caching
from voxome.relay.config_file import parse_config
from voxome.relay.opening import opened, prepared
from voxome.relay.origin import Origin
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.relay.writes.journal import Journal
from voxome.resources import open as resources_open

ADDRESS = "http://store.example/vol"
BOX = Box.of_shape((4, 4, 4))
ONES = np.ones(BOX.shape, "uint8")


class Network:
    """The format of `ADDRESS`, which a store tells unless it is away."""

    def __init__(self) -> None:
        self.is_away, self.requests = True, 0

    def recognise(self, uri: Uri) -> str:
        self.requests += 1
        if self.is_away:
            raise StoreError("the store is away")
        return "memory"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    found = Network()
    monkeypatch.setattr(resources_open, "recognise_address", found.recognise)
    return found


def test_a_store_that_does_not_answer_holds_up_no_other_source(network: Network, tmp_path: Path) -> None:
    uris = {name: f"zarr://{tmp_path}/{name}.zarr" for name in ("em", "other")}
    for uri in uris.values():
        voxome.create(uri, voxome.VolumeSpec.of(BOX.shape, "uint8"))
    back = {"writers": ["public"], "write": "back"}
    config = {
        "cache": {"folder": str(tmp_path / "cache")},
        "dialects": ["raw"],
        "sources": {
            "away": {"uri": ADDRESS}, "late": {"uri": f"{ADDRESS}/late", **back}, "em": {"uri": uris["em"], **back},
            "other": {"uri": uris["other"], "writers": ["public"]},
            "layer": {"tool": "common.threshold", "source": "em", "parameters": {"at": 1}},
        },
    }  # fmt: skip
    body = io.BytesIO()
    np.save(body, ONES)
    with prepared(parse_config(config, "test")) as shared, opened(shared) as app, in_thread(app) as url:
        for name in ("em", "other"):
            written = httpx.put(f"{url}/raw/{name}/cutout?box=0:4,0:4,0:4", content=body.getvalue())
            assert written.status_code == 204
        for path in ("/ready", "/metrics", "/status.json", "/raw/layer/cutout?box=0:4,0:4,0:4"):
            assert httpx.get(url + path).status_code == 200
        assert not network.requests
        assert httpx.get(f"{url}/raw/away/info").status_code == 503


def test_an_identity_that_a_store_has_given_is_known_afterwards(network: Network) -> None:
    origin, named = Origin(ADDRESS), Origin(f"memory://{ADDRESS}")
    assert (origin.is_known, origin.is_remote, origin.is_local) == (False, True, False)
    assert origin.place == named.place == ADDRESS
    assert named.has_identity(named.identity)
    assert not origin.has_identity(named.identity)
    network.is_away = False
    assert not origin.has_identity(named.identity)
    assert origin.identity == named.identity
    assert origin.is_known
    assert origin.has_identity(named.identity)
    assert not Origin(f"zarr://{ADDRESS}?window=1%:99%").is_known  # voxels are read for it
    assert not Origin("nothing/here").has_identity("one")


def test_writes_to_a_volume_that_did_not_answer_at_start_are_seen_and_replayed(
    network: Network, tmp_path: Path
) -> None:
    volume = f"memory://{ADDRESS}/{tmp_path.name}"
    voxome.create(volume, voxome.VolumeSpec.of(BOX.shape, "uint8"))
    with closing(Journal(tmp_path / "writes", MIB, 0)) as journal:
        processes = [Sources(journal=journal) for _ in range(2)]
        for sources in processes:
            sources.add("written", volume.removeprefix("memory://"), LAB, Caching(False), write_back=True)
            sources.add("read", volume, caching=Caching(False))
        network.is_away = False
        processes[0].write("written", BOX, ONES)
        assert_array_equal(processes[1].read("read", BOX), ONES)
        entries = [one.entry for one in journal.index.queue()]
        network.is_away = True
        with pytest.raises(StoreError, match="away"):
            processes[1].replay().write(entries)
        network.is_away = False
        processes[1].replay().write(entries)
        assert_array_equal(voxome.open(volume)[:], ONES)
