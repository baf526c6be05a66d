"""Both catalogues, in memory and SQL, by one suite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.databases import DatabaseServer

from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError, UnsupportedFormat
from voxome.relay.accounts import Group, Membership, Token, User
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.dialects.boss.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    LevelsJob,
    Metadatum,
    OutdatedLevels,
    Profile,
)
from voxome.relay.dialects.boss.roles import Role
from voxome.relay.dialects.s3.keys import KeyPair
from voxome.relay.dialects.view.kept_states import SharedState, StateText
from voxome.relay.sessions import BrowserSession, ViewerToken
from voxome.relay.source_errors import CatalogueUnavailable

ONE_OF_EACH: list[Record] = [
    Collection(name="c", description="é", creator="u", public=True),
    CoordinateFrame(
        name="f", x_start=0, x_stop=2**40, y_start=1, y_stop=2, z_start=3, z_stop=4,
        x_voxel_size=0.5, y_voxel_size=4.0, z_voxel_size=40.0,
    ),
    Experiment(collection="c", name="e", coord_frame="f", time_step=0.25),
    Channel(collection="c", experiment="e", name="ch", sources=("raw",), next_id=2**62),
    LevelsJob(uid="u", owner="o", beat=2**40, blocks=7, outdated=True),
    OutdatedLevels(identity="zarr://a"),
    Metadatum(collection="c", label="k", value="v" * 1000),
    Group(name="g", owner="u"),
    Membership(group="g", user="u", rank="member"),
    Grant(group="g", collection="c", permissions=("add", "read")),
    User(name="u"),
    Profile(user="u", first_name="U", password="salt$hash"),
    Role(user="u", role="user-manager"),
    Token(digest="d", user="u"),
    KeyPair(access_key="k", secret="s", user="u"),
    SharedState(id="i", owner="u", address="::1", created_s=0.5),
    StateText(id="i", text="{}"),
    BrowserSession(digest="d", token="t", user="u", expires=1.5),
    ViewerToken(digest="e", session="d", origin="https://viewer.example"),
]  # fmt: skip


@pytest.fixture(params=["memory", "sql", pytest.param("postgresql", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Catalogue]:
    count = iter(range(1000))
    forms: dict[str, Callable[[], Catalogue]] = {
        "memory": MemoryCatalogue,
        "sql": lambda: SqlCatalogue.at(str(tmp_path / f"{next(count)}.sqlite")),
        "postgresql": lambda: SqlCatalogue.at(_new_database(request)),
    }
    return forms[request.param]


def _new_database(request: pytest.FixtureRequest) -> str:
    server: DatabaseServer = request.getfixturevalue("postgresql")
    return server.database(f"catalogue_{uuid4().hex}")


def test_records_of_every_type_are_read_back_unchanged(make: Callable[[], Catalogue]) -> None:
    assert {type(one) for one in ONE_OF_EACH} == set(Record.__subclasses__())
    with closing(make()) as catalogue:
        catalogue.write(add=ONE_OF_EACH)
        for one in ONE_OF_EACH:
            assert catalogue.get(type(one), *one.key) == one
            assert catalogue.find(type(one)) == [one]


def test_find_selects_by_fields_in_the_order_of_keys(make: Callable[[], Catalogue]) -> None:
    with closing(make()) as catalogue:
        added = [Group(name=name, owner=owner) for name, owner in (("b", "x"), ("a", "x"), ("c", "y"))]
        catalogue.write(add=added)
        assert [one.name for one in catalogue.find(Group, owner="x")] == ["a", "b"]
        assert catalogue.find(Group, owner="x", name="c") == []


def test_a_record_that_does_not_exist_is_not_found(make: Callable[[], Catalogue]) -> None:
    with closing(make()) as catalogue:
        with pytest.raises(NotFound, match="collection c"):
            catalogue.get(Collection, "c")
        with pytest.raises(NotFound, match="group g"):
            catalogue.write(remove=[Group(name="g")])
        with pytest.raises(NotFound):
            catalogue.change(Group(name="g"), lambda now: now)


def test_a_write_is_all_or_nothing(make: Callable[[], Catalogue]) -> None:
    with closing(make()) as catalogue:
        catalogue.write(add=[Group(name="a"), Group(name="b")])
        with pytest.raises(AlreadyExists, match="group b already exists"):
            catalogue.write(remove=[Group(name="a")], add=[Group(name="c"), Group(name="b")])
        assert [one.name for one in catalogue.find(Group)] == ["a", "b"]
        catalogue.write(remove=[Group(name="b")], add=[Group(name="b", owner="new")])
        assert catalogue.get(Group, "b").owner == "new"


def test_a_change_to_an_existing_key_changes_nothing(make: Callable[[], Catalogue]) -> None:
    with closing(make()) as catalogue:
        catalogue.write(add=[Group(name="a"), Group(name="b")])
        with pytest.raises(AlreadyExists):
            catalogue.change(Group(name="a"), lambda now: replace(now, name="b"))
        assert [one.name for one in catalogue.find(Group)] == ["a", "b"]


def test_no_concurrent_change_is_lost(make: Callable[[], Catalogue]) -> None:
    channel = Channel(collection="c", experiment="e", name="ch")
    with closing(make()) as catalogue:
        catalogue.write(add=[channel])

        def take(_: int) -> int:
            return catalogue.change(channel, lambda now: replace(now, next_id=now.next_id + 1)).next_id

        with ThreadPoolExecutor(8) as threads:
            taken = list(threads.map(take, range(80)))
    assert sorted(taken) == list(range(2, 82))


names = st.sampled_from("abc")
steps = st.lists(st.tuples(st.sampled_from(["add", "remove", "change"]), names, st.text(max_size=3)), max_size=12)


@pytest.mark.slow
@settings(max_examples=30)
@given(steps)
def test_both_catalogues_behave_alike(operations: list[tuple[str, str, str]]) -> None:
    forms: tuple[Catalogue, Catalogue] = (MemoryCatalogue(), SqlCatalogue("sqlite://"))
    for what, name, owner in operations:
        outcomes = [_do(form, what, name, owner.replace("\0", "")) for form in forms]
        assert outcomes[0] == outcomes[1]
    assert forms[0].find(Group) == forms[1].find(Group)
    for form in forms:
        form.close()


def _do(catalogue: Catalogue, what: str, name: str, owner: str) -> object:
    try:
        if what == "change":
            return catalogue.change(Group(name=name), lambda now: replace(now, owner=now.owner + owner))
        catalogue.write(**{what: [Group(name=name, owner=owner)]})
    except (NotFound, AlreadyExists) as error:
        return type(error), str(error)
    return None


def test_a_file_is_read_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite"
    for add in (ONE_OF_EACH, []):
        with closing(SqlCatalogue.in_file(path)) as catalogue:
            catalogue.write(add=add)
            assert catalogue.get(Profile, "u").password == "salt$hash"
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("select name, sources from channel").fetchall() == [("ch", '["raw"]')]


def test_a_catalogue_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with closing(SqlCatalogue.in_file(path)) as catalogue:
        catalogue.write(add=[ONE_OF_EACH[0]])
    for statement, found in (
        ("UPDATE voxome_formats SET version = 9", "of version 9"),
        ("DELETE FROM voxome_formats", "without a version"),
    ):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(statement)
        with closing(SqlCatalogue.in_file(path)) as catalogue, pytest.raises(UnsupportedFormat, match=found):
            catalogue.find(User)


@pytest.mark.parametrize("name", ["c%41.sqlite", "d?x=y/c.sqlite", "100%"])
def test_the_file_of_a_catalogue_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with closing(SqlCatalogue.in_file(tmp_path / name)) as catalogue:
        catalogue.write(add=ONE_OF_EACH[:1])
    assert (tmp_path / name).is_file()


def test_a_catalogue_is_read_by_its_owner_only(tmp_path: Path) -> None:
    with closing(SqlCatalogue.at(str(tmp_path / "c.sqlite"))) as catalogue:
        catalogue.write(add=[User(name="u")])
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"c.sqlite": 0o600, "c.sqlite-wal": 0o600, "c.sqlite-shm": 0o600}


def test_a_missing_folder_of_a_catalogue_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="existing folder"):
        SqlCatalogue.at(str(tmp_path / "none" / "c.sqlite"))
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text("port = 8090\n" * 100)
    with pytest.raises(InvalidInput, match=r"relay.toml is not a catalogue.*not a database"):
        SqlCatalogue.at(str(tmp_path / "relay.toml"))


def test_trouble_of_an_open_catalogue_is_that_of_a_store_without_its_address(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    with closing(SqlCatalogue.at(str(file))) as catalogue:
        catalogue.write(add=[User(name="u")])
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE user")
        for use in (lambda: catalogue.find(User), lambda: catalogue.write(add=[User(name="v")])):
            with pytest.raises(CatalogueUnavailable) as raised:
                use()
            assert "c.sqlite" not in str(raised.value)
        with pytest.raises(StoreError, match=r"c\.sqlite cannot be read or written: no such table: user"):  # noqa: SIM117
            with catalogue.map_errors():
                catalogue.find(User)


def test_who_reads_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    with (
        closing(SqlCatalogue.in_file(file)) as catalogue,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        catalogue.write(add=[User(name="ann")])
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(2) as pool:
            write = pool.submit(lambda: catalogue.write(add=[User(name="bob")]))
            time.sleep(0.3)  # until the write waits
            try:
                read = pool.submit(catalogue.find, User, name="ann")
                assert [one.name for one in read.result(60)] == ["ann"]
                assert not write.done()
            finally:
                other.execute("COMMIT")
            write.result(60)
