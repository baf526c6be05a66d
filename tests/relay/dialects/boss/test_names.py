"""Names of sources as channels."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from relay.serving import serving, stored

from voxome.errors import AlreadyExists
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.config_file import parse_config
from voxome.relay.dialects.boss.publication import Publication
from voxome.relay.opening import opened, prepared
from voxome.relay.sources import Sources

ONE = np.zeros((4, 4, 4), np.uint8)


@pytest.mark.parametrize("names", [("a/b", "a/b/b"), ("c.1/x", "c_1/x"), ("em", "em/em"), ("a/b/c/d", "a/b_c/d")])
def test_two_sources_with_one_name_in_bossdb_keep_a_relay_from_starting(names: tuple[str, str]) -> None:
    uri = stored(ONE)
    config = parse_config({"sources": {name: {"uri": uri} for name in names}}, "test")
    with prepared(config) as shared, pytest.raises(AlreadyExists, match=r"both the channel .*boss = "), opened(shared):
        pass
    renamed = parse_config({"sources": {names[0]: {"uri": uri}, names[1]: {"uri": uri, "boss": "q/q/q"}}}, "test")
    with prepared(renamed) as shared, opened(shared):
        pass
    others = parse_config({"sources": {name: {"uri": uri} for name in names}, "dialects": ["raw"]}, "test")
    with prepared(others) as shared, opened(shared):
        pass


def test_a_source_that_is_added_takes_no_name_of_another_in_bossdb() -> None:
    sources = Sources()
    sources.add("a/b", stored(ONE))
    publication = Publication(MemoryCatalogue(), sources, {})
    sources.add("a/b/b", stored(ONE))
    with pytest.raises(AlreadyExists, match="are both the channel a/b/b"):
        _ = publication.keys


def test_the_address_of_a_source_in_bossdb_is_listed() -> None:
    sources = Sources()
    sources.add("lab/brain/v1.2/em", stored(ONE, voxel_size_nm=(4, 4, 4)))
    with serving(sources, ["api", "boss"]) as url, httpx.Client() as client:
        found = client.get(f"{url}/api/source", params={"source": "lab/brain/v1.2/em"}).json()["addresses"]["boss"]
        assert found == "v1/collection/lab/experiment/brain_v1_2/channel/em/"
        assert client.get(f"{url}/{found}").json()["name"] == "em"
