"""Shared fixtures."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socketserver
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import hypothesis
import made_once
import pytest
import uvicorn
import uvicorn.server
from made_once import MakeOnce
from peers.requirement import unavailable

from voxome.config import settings
from voxome.engines import choice
from voxome.registry import BUILT_IN, look_again

pytest_plugins = ["peers.fixtures"]

hypothesis.settings.register_profile("voxome", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("voxome"), max_examples=20)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "voxome"))


socketserver.TCPServer.request_queue_size = 128
"""Servers of the standard library keep 5 connections waiting: further ones are lost, or wait for a second."""

SHARED = os.environ.get("VOXOME_SHARED", "../shared")
"""Folder of real data, relative to that of the repository, or none."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import modules whose tests are all slow when slow tests are deselected."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect tests without garbage collections, which take a fifth of the time: what is made there stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole pipelines first, so that no process waits for another one at the end."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent / "workflow")


def pytest_collection_finish() -> None:
    """Leave the objects of collection out of later garbage collections, which jobs in this process start."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _patient_clients() -> Iterator[None]:
    """Let clients without a timeout of their own wait longer than httpx's 5 s, as a busy machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        for step in ("connect", "read", "write", "pool"):
            patch.setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, step, 60.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shared_certificates() -> Iterator[None]:
    """Let clients of this process share what they trust: httpx reads all certificates for each, which takes 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def _prompt_servers() -> Iterator[None]:
    """Let servers of this process look every 10 ms whether they are to stop, not every 100, as uvicorn has it."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 10)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
        yield


@pytest.fixture(scope="module", autouse=True)
def _freeze_objects() -> None:
    """Leave what earlier modules have imported out of garbage collections, of which every step of a run starts one."""
    with warnings.catch_warnings(action="ignore"):  # of what an earlier module has not closed
        gc.collect()
    gc.freeze()


@pytest.fixture
def jobs_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the jobs of runs in this process, unless an engine is chosen: for tests of what is not about workers."""
    monkeypatch.setattr(choice, "DEFAULT", "sequential")


@pytest.fixture(autouse=True)
def _no_settings_left() -> Iterator[None]:
    """Forget what a test has configured, or adopted as workers do."""
    before = dict(settings._overrides)  # of fixtures of the module
    yield
    if settings._overrides != before or settings._adopted:
        settings._replace(before)


@pytest.fixture(autouse=True)
def _no_logs_left() -> Iterator[None]:
    """Remove the handler of a command that a test has run in this process: it writes to a stream that is closed."""
    root = logging.getLogger()
    levels = [(logger, logger.level) for logger in (root, logging.getLogger("voxome"))]
    yield
    root.handlers[:] = [one for one in root.handlers if type(one) is not logging.StreamHandler]
    for logger, level in levels:
        logger.setLevel(level)


@pytest.fixture
def fresh_registry() -> Iterator[Callable[[], None]]:
    """Function by which the registry looks for plug-ins again, as it does after the test."""

    def forget() -> None:
        look_again()

    forget()
    yield forget
    forget()


@pytest.fixture
def install_plugins(
    fresh_registry: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], None]]:
    """Function that installs the plug-in packages in a folder for this process and its workers."""
    modules: list[str] = []

    def install(folder: Path) -> None:
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        modules.extend(path.stem for path in folder.glob("*.py"))
        fresh_registry()

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def register_plugin(
    fresh_registry: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, str], None]:
    """Function that registers a plug-in, by group, name and ``module:object``, in this process."""

    def register(group: str, name: str, target: str) -> None:
        monkeypatch.setitem(BUILT_IN[group], name, target)
        fresh_registry()

    return register


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Function that makes a folder once for all processes of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return partial(made_once.make_once, base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data, named by VOXOME_SHARED; with VOXOME_SHARED=none its tests are skipped, also under CI."""
    if SHARED == "none":
        pytest.skip("needs real data, which VOXOME_SHARED=none leaves out")
    path = (Path(__file__).parent.parent / SHARED).resolve()
    if not (path / "data").is_dir():
        unavailable(
            f"no real data at {path}: set VOXOME_SHARED to the folder that holds data/ and formats/, or to none"
        )
    return path
