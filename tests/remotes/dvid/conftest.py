"""Fixtures of the DVID remote's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from remotes.dvid.recorded import EDITED, ROOT, giving
from standins.dvid import serving

from voxome.remotes.dvid.node import DvidApi, Node

ADMIN = "test-admin"


@pytest.fixture(scope="session")
def recorded(shared: Path) -> Path:
    """The folder of requests with a real server's answers."""
    return shared / "reference" / "dvid-recorded"


@pytest.fixture(scope="session")
def as_recorded(recorded: Path) -> Iterator[Node]:
    """The first version of the recording with its labels, on a server that gives the recorded answers."""
    with giving(recorded, after="/segmentation/raw/0_1_2/128_128_64/0_0_0") as url:
        yield Node(DvidApi(url, retries=0), ROOT)


@pytest.fixture(scope="session")
def as_edited(recorded: Path) -> Iterator[Node]:
    """The version of the recording in which labels were edited."""
    with giving(recorded, after="/merge?u=ana&app=voxome") as url:
        yield Node(DvidApi(url, retries=0), EDITED)


@pytest.fixture
def node() -> Iterator[Node]:
    """An open version of a new repo on a fresh stand-in server."""
    with serving(ADMIN) as url:
        answer = httpx.post(f"{url}/api/repos", params={"admintoken": ADMIN}, json={"alias": "test"})
        yield Node(DvidApi(url), answer.raise_for_status().json()["root"])


@pytest.fixture
def make(node: Node) -> Callable[..., None]:
    """Make an instance: ``make("keyvalue", "names")``, with the options of DVID by name."""

    def post(typename: str, name: str, **options: str) -> None:
        sent = {"typename": typename, "dataname": name, **options}
        httpx.post(f"{node.api.base}/api/repo/{node.uuid}/instance", json=sent).raise_for_status()

    return post
