"""Fixtures for the tests of the DVID remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from remotes.dvid.recorded import EDITED, ROOT, replay_server
from standins.dvid import serving

from voxome.remotes.dvid.node import DvidApi, Node

ADMIN = "test-admin"


@pytest.fixture(scope="session")
def recorded(shared: Path) -> Path:
    """Folder with recorded requests and responses of a real server."""
    return shared / "reference" / "dvid-recorded"


@pytest.fixture(scope="session")
def recorded_node(recorded: Path) -> Iterator[Node]:
    """First recorded version with its labels, on a server that replays the recording."""
    with replay_server(recorded, after="/segmentation/raw/0_1_2/128_128_64/0_0_0") as url:
        yield Node(DvidApi(url, retries=0), ROOT)


@pytest.fixture(scope="session")
def edited_node(recorded: Path) -> Iterator[Node]:
    """Recorded version in which labels were edited, on a server that replays the recording."""
    with replay_server(recorded, after="/merge?u=ana&app=voxome") as url:
        yield Node(DvidApi(url, retries=0), EDITED)


@pytest.fixture
def node() -> Iterator[Node]:
    """Open version of a new repo on a new stand-in server."""
    with serving(ADMIN) as url:
        answer = httpx.post(f"{url}/api/repos", params={"admintoken": ADMIN}, json={"alias": "test"})
        yield Node(DvidApi(url), answer.raise_for_status().json()["root"])


@pytest.fixture
def create_instance(node: Node) -> Callable[..., None]:
    """Function that creates an instance: ``create_instance("keyvalue", "names")``, with options under DVID's names."""

    def post(typename: str, name: str, **options: str) -> None:
        sent = {"typename": typename, "dataname": name, **options}
        httpx.post(f"{node.api.base}/api/repo/{node.uuid}/instance", json=sent).raise_for_status()

    return post
