"""Results of a tool are not reused after its code was edited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import voxome

TOOL = '''
from typing import Annotated, Any
import numpy as np
from numpy.typing import NDArray
from voxome import kinds
from voxome.contracts.python_tool import tool

@tool("demo.double", outputs=kinds.Image("uint8"))
def double(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
    """Double every voxel."""
    return (image * 2).astype(np.uint8)
'''
ENTRY = "[voxome.tools]\ndemo.double = demo_edited:double\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    info = tmp_path / "package" / "demo_edited-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-edited\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "package"))
    voxome.create(f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of((8, 8, 8), "uint8"))[...] = 5
    return tmp_path / "package" / "demo_edited.py"


def run_tool(package: Path, text: str) -> np.ndarray:
    """Return the result of the tool with this source, run in the same store by a new process."""
    package.write_text(text)
    folder = package.parent.parent
    code = (
        "from voxome.workflow.run_tool import run_tool;"
        f"print(run_tool('demo.double', {{'image': '{folder}/raw.zarr'}}, store='{folder}/store')['result'].uri)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.asarray(voxome.open(done.stdout.strip())[...])


@pytest.mark.slow
def test_an_edited_tool_runs_again_but_not_after_a_change_of_its_docstring(package: Path) -> None:
    assert (run_tool(package, TOOL) == 10).all()
    assert (run_tool(package, TOOL.replace("image * 2", "image * 3")) == 15).all()
    assert (run_tool(package, TOOL.replace("Double every voxel.", "Return twice the value.")) == 10).all()
    assert len(list((package.parent.parent / "store").glob("demo.double-*"))) == 2
