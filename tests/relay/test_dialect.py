"""Dialects are found by the registry, those of other packages too, and joined to one application."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from voxome.errors import MissingExtra, UnknownName
from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.boss.dialect import BossDialect
from voxome.relay.dialects.raw import RawDialect
from voxome.relay.relay import Relay
from voxome.relay.serve import in_thread

PACKAGE = '''
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Sizes:
    """How large the sources are, as text."""

    def __init__(self, relay):
        self.sources = relay.sources

    def routes(self):
        return [Route("/sizes/{name:path}", self.size)]

    def size(self, request):
        return PlainTextResponse(str(self.sources.spec(request.path_params["name"]).domain.size))

    def close(self):
        print("closed", flush=True)
'''


@pytest.fixture
def relay() -> Relay:
    catalogue = MemoryCatalogue()
    return Relay(catalogue, Accounts(catalogue), "memory://dialects")


class Fixed:
    """Answers its name to everything under a mount, and notes that it was closed."""

    def __init__(self, name: str, prefix: str) -> None:
        self.name, self.prefix, self.closed = name, prefix, 0

    def routes(self) -> list[Mount]:
        async def answer(scope: object, receive: object, send: object) -> None:
            await PlainTextResponse(self.name)(scope, receive, send)  # type: ignore[arg-type]

        return [Mount(self.prefix, app=answer)]

    def close(self) -> None:
        self.closed += 1


def test_built_in_dialects_are_opened_by_name(relay: Relay) -> None:
    assert [type(one) for one in open_dialects(relay, ["raw", "boss"])] == [RawDialect, BossDialect]
    assert {BossDialect, RawDialect} <= {type(one) for one in open_dialects(relay)}
    with pytest.raises(UnknownName, match="boss"):
        open_dialects(relay, ["bos"])


@pytest.mark.slow
def test_a_dialect_at_the_root_gets_the_paths_of_no_other() -> None:
    root, other = Fixed("root", "/"), Fixed("other", "/other")
    with in_thread(create_app([root, other])) as url:
        for path, name in (("/other/x", "other"), ("/", "root"), ("/x", "root")):
            assert httpx.get(url + path).text == name
        assert (root.closed, other.closed) == (0, 0)
    assert (root.closed, other.closed) == (1, 1)


def test_another_method_on_a_path_is_405_although_there_is_a_dialect_at_the_root() -> None:
    class One(Fixed):
        def routes(self) -> list[Route]:  # type: ignore[override]
            return [Route("/one", lambda request: PlainTextResponse("x"), methods=[name]) for name in ("GET", "POST")]

    with in_thread(create_app([Fixed("root", "/"), One("one", "/one")])) as url:
        answer = httpx.put(f"{url}/one")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.json() == {"message": "PUT of /one is not offered; use GET, HEAD, POST"}
        assert answer.headers["cache-control"] == "no-store"
        assert httpx.get(f"{url}/two").text == "root"


def test_a_path_that_no_dialect_has_is_answered_in_the_form_of_other_errors() -> None:
    with in_thread(create_app([Fixed("one", "/one")])) as url:
        answer = httpx.get(f"{url}/two")
        assert (answer.status_code, answer.json()) == (
            404,
            {"message": "there is no /two here; GET / has what is served"},
        )
        assert httpx.get(f"{url}/s3/two").text.startswith("<?xml")


def test_methods_of_the_api_of_bossdb_are_named_too(relay: Relay) -> None:
    with in_thread(create_app(open_dialects(relay, ["boss"]))) as url:
        answer = httpx.patch(f"{url}/v1/coord/x")
        assert (answer.status_code, answer.json()["code"]) == (405, 2004)
        assert {"GET", "PUT", "POST", "DELETE"} <= set(answer.headers["allow"].split(", "))


def test_browsers_may_read_where_pages_are_allowed(relay: Relay) -> None:
    class Plain(Fixed):
        def routes(self) -> list[Route]:  # type: ignore[override]
            return [Route("/plain", lambda request: PlainTextResponse("x"))]

    with in_thread(create_app([Plain("plain", "/")], allow_origins=["https://viewer"])) as url:
        answer = httpx.get(f"{url}/plain", headers={"Origin": "https://viewer"})
        assert answer.headers["access-control-allow-origin"] == "https://viewer"
        other = httpx.get(f"{url}/plain", headers={"Origin": "https://other"})
        assert "access-control-allow-origin" not in other.headers


def test_every_dialect_is_closed_even_if_one_fails_to() -> None:
    class Failing(Fixed):
        def close(self) -> None:
            raise OSError("cannot close")

    async def run() -> None:
        app = create_app([Failing("a", "/a"), last])
        async with app.router.lifespan_context(app):
            pass

    last = Fixed("b", "/b")
    with pytest.raises(OSError, match="cannot close"):
        asyncio.run(run())
    assert last.closed == 1


@pytest.mark.slow
def test_a_dialect_of_another_package_is_served_by_its_name(tmp_path: Path) -> None:
    package = tmp_path / "packages"
    (package / "sizes-1.0.dist-info").mkdir(parents=True)
    (package / "sizes.py").write_text(PACKAGE)
    (package / "sizes-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sizes\nVersion: 1.0\n")
    (package / "sizes-1.0.dist-info" / "entry_points.txt").write_text("[voxome.dialects]\nsizes = sizes:Sizes\n")
    script = "import numpy, sys; numpy.save(sys.argv[1], numpy.zeros((3, 4, 5), 'uint8'))"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.npy")], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "voxome.cli.main", "serve", "--port", "0", "--dialect", "sizes", f"{tmp_path}/a.npy"],
        env={**os.environ, "PYTHONPATH": str(package)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("Serving at ").strip()
        assert httpx.get(f"{url}/sizes/a").text == "60"
        assert httpx.get(f"{url}/raw").status_code == 404
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=100)
    assert "closed" in output


def test_a_dialect_whose_package_is_missing_is_left_out_with_a_warning_unless_it_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise MissingExtra("The package neuroglancer is not installed")

    monkeypatch.setattr("voxome.relay.dialects.view.dialect.client_folder", fail)
    catalogue = MemoryCatalogue()
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused")
    assert len(open_dialects(relay)) > 5
    assert "The dialect view is left out: The package neuroglancer is not installed" in caplog.text
    with pytest.raises(MissingExtra):
        open_dialects(relay, ["view"])
