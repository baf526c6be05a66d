"""PostgreSQL and MariaDB, each with a fresh database whenever a test asks for one."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from peers.process import free_port, running, succeeds
from peers.requirement import program

_POSTGRESQL = ("/usr/lib/postgresql/*/bin",)


class DatabaseServer:
    """A running server.

    Parameters
    ----------
    url : sqlalchemy.URL
        Address of its administrator, with a password.
    """

    def __init__(self, url: sa.URL) -> None:
        self._url = url

    @property
    def password(self) -> str:
        """Password of the administrator."""
        return str(self._url.password)

    @property
    def version(self) -> str:
        """What the server calls itself."""
        return str(self.execute("SELECT version()")[0][0])

    @property
    def port(self) -> int:
        """Port on the loopback interface."""
        return int(self._url.port or 0)

    def database(self, name: str) -> str:
        """Return the address of the database `name`, which is created unless it exists."""
        names = "SELECT datname FROM pg_database" if self._url.drivername.startswith("postgresql") else "SHOW DATABASES"
        if (name,) not in self.execute(names):
            self.execute(f"CREATE DATABASE {name}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Return the rows that a statement gives, in the administrator's database unless one is named."""
        url = self._url if database is None else self._url.set(database=database)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(sa.text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        try:
            return self.execute("SELECT 1") == [(1,)]
        except DBAPIError:
            return False


@contextmanager
def postgresql() -> Iterator[DatabaseServer]:
    """Run PostgreSQL in a folder of its own; as root, it runs as the user ``postgres``, for it refuses root."""
    find = partial(program, package="postgresql", folders=_POSTGRESQL)
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as name:
        folder, port, password = Path(name), free_port(), secrets.token_hex(8)
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user, user)
        options = {"pgdata": folder / "data", "username": "voxome", "pwfile": folder / "password"}
        options |= {"auth": "scram-sha-256", "encoding": "UTF8", "locale": "C.UTF-8"}
        command = [find("initdb"), "--no-sync", *(f"--{key}={value}" for key, value in options.items())]
        subprocess.run(
            command, check=True, capture_output=True, user=user, group=user, extra_groups=[] if user else None
        )
        url = sa.URL.create("postgresql+pg8000", "voxome", password, "127.0.0.1", port, "postgres")
        server = DatabaseServer(url)
        settings = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=off")
        command = [find("postgres"), "-D", str(folder / "data"), *(f"--{setting}" for setting in settings)]
        ready = partial(succeeds, find("pg_isready"), "--host=127.0.0.1", f"--port={port}")
        with running(command, log=folder / "log", ready=ready, user=user):
            yield server


@contextmanager
def mariadb() -> Iterator[DatabaseServer]:
    """Run MariaDB in a folder of its own."""
    find = partial(program, package="mariadb-server")
    with tempfile.TemporaryDirectory() as name:
        folder, port, password = Path(name), free_port(), secrets.token_hex(8)
        user = ["--user=root"] if os.getuid() == 0 else []
        data = ["--no-defaults", f"--datadir={folder / 'data'}", *user]
        install = [find("mariadb-install-db"), *data, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        start = folder / "start.sql"
        start.write_text(
            f"CREATE USER 'voxome'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO 'voxome'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        server = DatabaseServer(sa.URL.create("mariadb+pymysql", "voxome", password, "127.0.0.1", port))
        command = [find("mariadbd"), *data, f"--port={port}", "--bind-address=127.0.0.1", f"--init-file={start}"]
        command += [f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", "--skip-name-resolve"]
        with running(command, log=folder / "log", ready=server.answers):
            yield server
