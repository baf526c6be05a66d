"""A small phantom, and the EM pipeline run on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_once import MakeOnce
from workflow.pipeline import CONNECTOME, Phantom

from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.write import write_phantom
from voxome.workflow.verbs import run


@pytest.fixture(scope="session")
def phantom(make_once: MakeOnce) -> Phantom:
    return Phantom(make_once("phantom", lambda folder: write_phantom(folder, PhantomSpec((96, 96, 96), 5))))


@pytest.fixture(scope="session")
def reference(phantom: Phantom, make_once: MakeOnce) -> Path:
    """A run in blocks of 48, in one process."""

    def make(out: Path) -> None:
        run(CONNECTOME, phantom.inputs, out=out, engine="sequential", block=(48, 48, 48), truth=phantom.folder)

    return make_once("reference", make)


@pytest.fixture
def plugins(install_plugins: Callable[[Path], None]) -> Path:
    """A plug-in package, installed for this process and its workers."""
    folder = Path(__file__).parent / "plugins"
    install_plugins(folder)
    return folder
