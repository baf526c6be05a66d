"""Fixtures of the peers; a server is started for the first test of a session that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from standins.awsbatch import BatchStandIn

    from peers.chromium import Visit
    from peers.databases import DatabaseServer
    from peers.neuroglancer import Show
    from peers.podman import Podman
    from peers.s3 import Bucket
    from peers.slurm import Slurm


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """Server of PostgreSQL."""
    from peers import databases

    with databases.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """Server of MariaDB."""
    from peers import databases

    with databases.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """Slurm cluster of one node."""
    from peers import slurm

    with slurm.slurm() as cluster:
        yield cluster


@pytest.fixture
def slurm_in_use(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Slurm cluster that the commands of this process find; its engine submits and looks for results often."""
    from voxome.engines.array_engine import ArrayEngine

    for name, value in (("_scan_s", 0.1), ("_submit_s", 0.1), ("_tick_s", 0.05)):
        monkeypatch.setattr(ArrayEngine, name, value)
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    return slurm


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """podman with an image of busybox."""
    from peers import podman

    with podman.podman() as tool:
        yield tool


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium."""
    from peers import chromium

    with chromium.browser() as running:
        yield running


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Empty page in Chromium."""
    from peers.chromium import visit

    with visit(chromium) as visited:
        yield visited


@pytest.fixture(scope="module")
def show_in_neuroglancer() -> Iterator[Show]:
    """Function that shows a state of Neuroglancer in a page, as `peers.neuroglancer.Show`."""
    from peers import neuroglancer

    with neuroglancer.viewing() as show:
        yield show


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Address of an S3 server; its credentials are in the environment."""
    from peers import s3

    with s3.serving() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str) -> Bucket:
    """Bucket of the S3 server."""
    from peers.s3 import Bucket

    return Bucket(s3_url)


@pytest.fixture
def aws_batch(
    s3_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BatchStandIn]:
    """AWS Batch that runs containers as processes, polled often; it must have got nothing that AWS would refuse."""
    from standins.awsbatch import BatchStandIn

    from voxome.engines.awsbatch_engine import BatchEngine

    for name, value in (("_scan_s", 0.1), ("_submit_s", 0.05), ("_tick_s", 0.05)):
        monkeypatch.setattr(BatchEngine, name, value)
    with BatchStandIn(s3_url, tmp_path_factory.mktemp("batch")) as batch:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", batch.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield batch
    assert batch.violations == []


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, fresh_key: Callable[[], str]) -> str:
    """Address of an empty folder: on this machine, and then on the S3 server."""
    if request.param == "local":
        return str(tmp_path / "store")
    bucket: Bucket = request.getfixturevalue("bucket")
    return bucket.uri(fresh_key())


@pytest.fixture
def fresh_key() -> Callable[[], str]:
    """Function that returns keys nobody used."""
    return lambda: uuid4().hex


@pytest.fixture(scope="session")
def serve_by_nginx() -> Iterator[Callable[..., str]]:
    """Function that serves a folder by nginx, as `peers.nginx.serving`, and returns its address."""
    from peers import nginx

    with ExitStack() as servers:
        yield lambda folder, **options: servers.enter_context(nginx.serving(folder, **options))
