"""Metadata: names and values of a channel."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remotes.bossdb.conftest import Peer

from voxome.contracts.spec import VolumeSpec
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.bossdb.metadata import Metadata

NAMES = ("meta", "exp", "em")


@pytest.fixture(scope="module")
def metadata(peer: Peer) -> Metadata:
    peer.make(NAMES, VolumeSpec.of((4, 4, 4), "uint8"))
    return BossDB(peer.url).metadata(*NAMES)


def test_metadata_are_a_mutable_mapping(metadata: Metadata, peer: Peer) -> None:
    metadata["stain"] = "osmium"
    metadata["stain"] = "lead"
    metadata["section"] = {"nm": 40}
    assert peer.request("GET", "/meta/meta/exp/em/", params={"key": "stain"}).json()["value"] == "lead"
    assert dict(metadata) == {"stain": "lead", "section": '{"nm": 40}'}
    assert len(metadata) == 2
    assert "stain" in metadata
    assert "missing" not in metadata
    assert metadata.get("missing", "none") == "none"
    assert metadata.pop("stain") == "lead"
    del metadata["section"]
    assert list(metadata) == []
    for act in (metadata.__getitem__, metadata.__delitem__):
        with pytest.raises(KeyError):
            act("stain")


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=texts, value=texts)
def test_any_text_is_stored(metadata: Metadata, key: str, value: str) -> None:
    metadata[key] = value
    assert metadata[key] == value
    del metadata[key]


def test_collections_and_experiments_have_metadata_too(metadata: Metadata, peer: Peer) -> None:
    boss = BossDB(peer.url)
    boss.metadata("meta")["a&b=c"] = "100 % & more?"
    boss.metadata("meta", "exp")["a"] = "1"
    assert dict(boss.metadata("meta")) == {"a&b=c": "100 % & more?"}
    assert dict(boss.metadata("meta", "exp")) == {"a": "1"}
