"""A small phantom, and the EM pipeline run on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflow.pipeline import CONNECTOME, Phantom

from voxome.datasets.phantom.spec import PhantomSpec
from voxome.datasets.phantom.write import write_phantom
from voxome.workflow.plan import Options
from voxome.workflow.run import run


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    folder = tmp_path_factory.mktemp("phantom") / "phantom"
    write_phantom(folder, PhantomSpec((96, 96, 96), 5))
    return Phantom(folder)


@pytest.fixture(scope="session")
def reference(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in blocks of 48."""
    out = tmp_path_factory.mktemp("reference")
    run(CONNECTOME, phantom.inputs, out=out, workers=1, options=Options(block=(48, 48, 48)), truth=phantom.folder)
    return out
