"""A relay of given sources, on a socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.collections import Collections
from voxome.relay.dialect import open_dialects
from voxome.relay.relay import Relay
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources


@contextmanager
def serving(
    sources: Sources,
    dialects: Sequence[str],
    *,
    members: Mapping[str, str | None] | None = None,
    allow_origins: Sequence[str] = (),
    collections: Collections | None = None,
    prefix: str = "",
) -> Iterator[str]:
    """Yield the URL of a relay.

    Parameters
    ----------
    sources : Sources
        What it serves.
    dialects : sequence of str
        Names of its dialects.
    members : mapping
        Name of a user → the group they are in, if any. The token of a user is ``NAME-token``.
    allow_origins : sequence of str
        Web pages that may read.
    collections : Collections, optional
        Annotations that it serves.
    prefix : str
        Path before all addresses.
    """
    catalogue = MemoryCatalogue()
    for name, group in (members or {}).items():
        catalogue.write(add=[User(name=name), Token(digest=digest(f"{name}-token"), user=name)])
        if group is not None:
            catalogue.write(add=[Membership(group=group, user=name, rank="member")])
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources, collections=collections or Collections())
    with in_thread(create_app(open_dialects(relay, dialects), allow_origins=allow_origins, prefix=prefix)) as url:
        yield url


def stored(voxels: NDArray[Any], **options: Any) -> str:
    """Return the URI of a new volume in memory."""
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of(voxels.shape, voxels.dtype, **options))[...] = voxels
    return uri


def as_user(name: str) -> dict[str, str]:
    return {"Authorization": f"Token {name}-token"}


def pyramid(folder: str, voxels: NDArray[np.uint8], **options: Any) -> str:
    """Return the URI of a new volume with a level of half the resolution, of every second voxel along y and x."""
    volume = voxome.create(folder, voxome.VolumeSpec.of(voxels.shape, voxels.dtype, **options))
    volume[...] = voxels
    volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    coarse = voxome.open(folder, mode="r+", level=1)
    coarse[...] = voxels[:, ::2, ::2][tuple(slice(n) for n in coarse.shape)]
    return folder
