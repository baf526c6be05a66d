"""``import voxome`` is cheap."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "cwltool", "dask", "h5py", "networkx", "numba", "onnxruntime", "pyarrow", "pydantic", "rich", "scipy", "skimage",
    "sqlalchemy", "tensorstore", "torch", "typer",
)  # fmt: skip
CODE = """
import json, sys, time
began = time.process_time()
import voxome
print(json.dumps([time.process_time() - began, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_import_loads_no_heavy_package() -> None:
    times = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
        seconds, modules = json.loads(done.stdout)
        times.append(seconds)
        assert not set(HEAVY) & set(modules)
    assert min(times) < 0.3, f"import voxome takes {min(times):.3f} s of CPU time"


def test_what_recognises_a_format_loads_no_package_that_only_reads_it() -> None:
    code = """
import sys
from pathlib import Path
from voxome.resources.recognition import recognise
assert recognise(Path("/")) is None
print({"nibabel", "numba", "scipy", "sqlalchemy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_every_public_name_can_be_imported() -> None:
    code = "import voxome; print([getattr(voxome, name) for name in voxome.__all__])"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
