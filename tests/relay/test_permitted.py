"""What callers may do with the sources of a relay."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.errors import AccessDenied, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.relay.accounts import ADMIN, PUBLIC, Caller
from voxome.relay.permitted import PermittedSources
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources

BOX = Box.of_shape((1, 2, 3))
VOXELS = np.ones(BOX.shape, "uint8")
NOBODY = Caller()
MEMBER = Caller("bob", frozenset({PUBLIC, "lab"}))
ADMINISTRATOR = Caller("root", frozenset({PUBLIC, ADMIN}))


@pytest.fixture
def sources() -> Sources:
    """A public source, one that only the lab may read, one that it may write too, and one that it may only write."""
    lab, sources = frozenset({"lab"}), Sources()
    for name, rights in {
        "open": Rights(),
        "private": Rights(readers=lab),
        "shared": Rights(writers=lab),
        "inbox": Rights(readers=frozenset({"curators"}), writers=lab),
    }.items():
        uri = f"memory://{uuid4().hex}"
        voxome.create(uri, voxome.VolumeSpec.of(BOX.shape, "uint8"))
        sources.add(name, uri, rights)
    return sources


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (NOBODY, ["open", "shared"]),
        (MEMBER, ["open", "private", "shared"]),
        (ADMINISTRATOR, ["inbox", "open", "private", "shared"]),
    ],
)
def test_callers_list_and_read_only_permitted_sources(sources: Sources, caller: Caller, names: list[str]) -> None:
    permitted = PermittedSources(sources, caller)
    assert list(permitted) == names
    for name in names:
        assert permitted.read(name, BOX).shape == BOX.shape
        assert (permitted.spec(name).domain, permitted.level_count(name)) == (BOX, 1)


@pytest.mark.parametrize("name", ["private", "inbox"])
def test_a_private_source_is_not_taken_for_a_missing_one(sources: Sources, name: str) -> None:
    permitted = PermittedSources(sources, NOBODY)
    requests: list[Callable[[str], object]] = [
        permitted.spec,
        permitted.level_count,
        lambda one: permitted.read(one, BOX),
        lambda one: permitted.write(one, BOX, VOXELS),
    ]
    for request in requests:
        with pytest.raises(AccessDenied, match=name):
            request(name)
        with pytest.raises(NotFound, match="missing"):
            request("missing")


def test_only_writers_write(sources: Sources) -> None:
    for caller in (NOBODY, MEMBER, ADMINISTRATOR):
        with pytest.raises(ReadOnly, match="open"):
            PermittedSources(sources, caller).write("open", BOX, VOXELS)
    with pytest.raises(AccessDenied, match="shared"):
        PermittedSources(sources, NOBODY).write("shared", BOX, VOXELS)
    for value, caller in enumerate((MEMBER, ADMINISTRATOR), start=1):
        PermittedSources(sources, caller).write("shared", BOX, VOXELS * value)
        assert (sources.read("shared", BOX) == value).all()


def test_writers_who_may_not_read_only_write(sources: Sources) -> None:
    permitted = PermittedSources(sources, MEMBER)
    permitted.write("inbox", BOX, VOXELS)
    with pytest.raises(AccessDenied, match="inbox"):
        permitted.read("inbox", BOX)
