"""Objects as files of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.relay.rights import PUBLIC_READ
from voxome.relay.sources import Sources
from voxome.relay.stores.keys import KeyTooLong, parts_of
from voxome.relay.stores.properties import Properties
from voxome.relay.stores.store import Store


def free(current: Callable[[], str | None]) -> None:
    """Check nothing."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("scratch", tmp_path / "scratch", PUBLIC_READ, lambda parts: nullcontext())


def put(store: Store, key: str, content: bytes = b"x", **properties: str) -> None:
    file = store.new_file()
    file.write_bytes(content)
    store.put(key, file, Properties(**properties), free)


def etag(store: Store, key: str) -> str:
    found = store.open(key)
    try:
        return found.etag
    finally:
        found.close()


PART = st.sampled_from(["a", "b", "a.b", "a-b", "aa", "한", "x y"])


@pytest.mark.slow
@given(st.sets(st.lists(PART, min_size=1, max_size=3).map("/".join), max_size=8), PART, PART)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_keys_are_listed_in_order_from_any_one_on(store: Store, keys: set[str], first: str, prefix: str) -> None:
    there = [key for key in keys if not any(other.startswith(f"{key}/") for other in keys)]
    for key in there:
        put(store, key)
    try:
        expected = [key for key in sorted(there) if key >= first and key.startswith(prefix)]
        assert list(store.walk().keys(first, prefix)) == expected
        assert list(store.walk().keys("", "")) == sorted(there)
    finally:
        for key in there:
            store.delete(key, free)
    assert list(store.walk().keys("", "")) == []
    assert [one.name for one in store.folder.path.iterdir()] == [".voxome-relay"]


def test_properties_are_those_of_the_file_that_is_there(store: Store) -> None:
    put(store, "k", b"1", etag="own", media_type="text/x")
    assert etag(store, "k") == '"own"'
    path = store.folder.path / "k"
    path.write_bytes(b"2")  # as someone without the relay
    assert etag(store, "k") != '"own"'
    put(store, "k", b"3", etag="other")
    put(store, "k", b"4", etag="last")
    assert etag(store, "k") == '"last"'
    assert sum(one.is_file() for one in (store.own / "properties").rglob("*")) == 1
    store.delete("k", free)
    assert not any(one.is_file() for one in (store.own / "properties").rglob("*"))


def test_a_refused_object_is_left_as_it_was(store: Store) -> None:
    put(store, "k", b"old")

    def refuse(current: Callable[[], str | None]) -> None:
        raise AlreadyExists(str(current()))

    file = store.new_file()
    file.write_bytes(b"new")
    with pytest.raises(AlreadyExists, match=etag(store, "k")):
        store.put("k", file, Properties(), refuse)
    with pytest.raises(AlreadyExists):
        store.delete("k", refuse)
    assert (store.folder.path / "k").read_bytes() == b"old"


def test_files_that_are_no_objects_are_not_found(store: Store) -> None:
    os.mkfifo(store.folder.path / "pipe")
    (store.folder.path / "chunk.__lock").write_bytes(b"x")
    (store.folder.path / "folder").mkdir()
    assert list(store.walk().keys("", "")) == []
    for key in ("pipe", "folder", "none", "none/deeper", "pipe/deeper"):
        with pytest.raises(NotFound):
            store.open(key)


@pytest.mark.parametrize(
    "key", ["", "/", "a/", "a//b", "..", "a/./b", "\0", "a\\b", ".voxome-relay", "x.__lock", "\ud800"]
)
def test_keys_that_are_no_paths_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        parts_of(key)


def test_keys_have_a_longest_length() -> None:
    assert parts_of("한" * 80) == ("한" * 80,)
    for key in ("한" * 81, "/".join(["a" * 100] * 11)):
        with pytest.raises(KeyTooLong):
            parts_of(key)


def test_names_of_sources_and_stores_have_nothing_in_common(tmp_path: Path) -> None:
    sources = Sources()
    sources.add("lab/em", "memory://none")
    sources.add_store("scratch", tmp_path / "scratch", PUBLIC_READ)
    for name in ("lab", "lab/em", "lab/em/x", "scratch", "scratch/x"):
        with pytest.raises(AlreadyExists):
            sources.add_store(name, tmp_path / "other", PUBLIC_READ)
    for name in ("scratch", "scratch/x"):
        with pytest.raises(AlreadyExists):
            sources.add(name, "memory://none")
    with pytest.raises(InvalidInput):
        sources.add_store("../x", tmp_path / "other", PUBLIC_READ)
    assert list(sources) == ["lab/em"]
    assert "scratch/x" not in sources
