"""Record stores in PostgreSQL and MariaDB."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from peers.databases import DatabaseServer
from peers.process import free_port
from voxome.contracts.records import RecordStore
from voxome.errors import StoreError, UnsupportedFormat
from voxome.records.sql import SqlRecords
from voxome.testing import RecordStoreContract

pytestmark = pytest.mark.slow

SERVERS = ("postgresql", "mariadb")


class _OnServer(RecordStoreContract):
    """Each folder and name is a database of its own."""

    @pytest.fixture(autouse=True)
    def server(self, request: pytest.FixtureRequest) -> None:
        self._server: DatabaseServer = request.getfixturevalue(type(self).__name__.removeprefix("Test").lower())

    def open_records(self, folder: Path, name: str) -> RecordStore:
        digest = hashlib.sha256(f"{folder}/{name}".encode()).hexdigest()[:16]
        return SqlRecords(self._server.database(f"records_{digest}"))


class TestPostgresql(_OnServer):
    pass


class TestMariadb(_OnServer):
    pass


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


def test_the_servers_are_what_they_are_called(postgresql: DatabaseServer, mariadb: DatabaseServer) -> None:
    assert postgresql.version.startswith("PostgreSQL 1")
    assert "MariaDB" in mariadb.version


def test_a_ledger_of_another_version_is_refused(server: DatabaseServer) -> None:
    url = server.database("versions")
    SqlRecords(url).close()
    server.execute("UPDATE voxome_formats SET version = 2", database="versions")
    with pytest.raises(UnsupportedFormat, match="is a ledger of version 2"):
        SqlRecords(url)


def test_a_database_that_is_gone_is_named_without_its_password(server: DatabaseServer) -> None:
    url = server.database("gone").replace(f":{server.port}/", f":{free_port()}/")
    with pytest.raises(StoreError, match="127\\.0\\.0\\.1") as caught:
        SqlRecords(url)
    assert server.password not in str(caught.value)
