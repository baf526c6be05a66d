"""The real intern 1.4.2, as its users run it, against our server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from peers.requirement import unavailable
from standins.boss import serving

import voxome
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv" / "intern" / "bin" / "python"
TIMEOUT_S = 300
SHAPE = (9, 30, 40)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Results of `intern_session.py`."""
    if not PYTHON.exists():
        unavailable("intern is not installed: run `make .venv/intern/ready`")
    home = tmp_path_factory.mktemp("home")
    with serving(sources=published()) as boss:
        login = {"INTERN_PROTOCOL": "http", "INTERN_HOST": boss.url.removeprefix("http://"), "INTERN_TOKEN": boss.token}
        script = Path(__file__).with_name("intern_session.py")
        ran = subprocess.run(
            [PYTHON, script], env={"HOME": str(home), "PATH": os.environ["PATH"], **login},
            cwd=home, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_arrays_are_created_written_and_read(session: dict[str, Any]) -> None:
    """intern always gives voxel sizes as x, y, z."""
    found = session["arrays"]
    assert "404" in found.pop("missing")
    assert found == {
        "shape": [20, 600, 700], "dtype": "uint8", "voxel_size": [4, 4, 40], "voxel_unit": "nanometers",
        "status": "NOT_DOWNSAMPLED", "resolutions": [0, 1, 2, 3, 4, 5],
        "whole": True, "part": True, "slice": True, "wide": True, "seg": True,
    }  # fmt: skip


def published() -> Sources:
    """An image and labels, which the server publishes as channels."""
    sources = Sources()
    for name, dtype in (("em", "uint8"), ("seg", "uint64")):
        uri = f"memory://{uuid4().hex}"
        kind = "image" if name == "em" else "labels"
        spec = voxome.VolumeSpec.of(SHAPE, dtype, voxel_size_nm=(40, 4, 4), kind=kind)
        voxome.create(uri, spec)[:] = noise(SHAPE, dtype)
        sources.add(f"published/exp/{name}", uri)
    return sources


def test_published_sources_are_read_only_channels(session: dict[str, Any]) -> None:
    found = session["published"]
    assert "403" in found.pop("written")
    image, labels = noise(SHAPE, "uint8"), noise(SHAPE, "uint64")
    assert found == {
        "shape": list(SHAPE), "dtypes": ["uint8", "uint64"], "voxel_size": [4, 4, 40], "status": "DOWNSAMPLED",
        "sums": [int(image.sum()), int(labels[2:, 3:, 4:].max())],
        "ids": sorted(set(labels[:1, :1, :9].ravel().tolist()) - {0}),
    }  # fmt: skip


def test_large_arrays_are_read_in_parallel(session: dict[str, Any]) -> None:
    assert session["large"] == {"parallel": True, "serial": True}


def test_cutouts_ids_and_times(session: dict[str, Any]) -> None:
    found = session["cutouts"]
    assert "400" in found.pop("beyond")
    assert "400" in found.pop("wrong dtype")
    assert "404" in found.pop("no box")
    assert found == {
        "filter": True,
        "time": [1, 20, 30, 40],
        "ids": [7, 2**40],
        "tight": {"x_range": [0, 40], "y_range": [0, 30], "z_range": [0, 20], "t_range": [0, 1]},
        "loose": {"x_range": [0, 512], "y_range": [0, 512], "z_range": [0, 32], "t_range": [0, 1]},
        "reserved": [1, 11],
        "black": True,
    }


def test_projects_are_created_changed_and_deleted(session: dict[str, Any]) -> None:
    found = session["projects"]
    assert "4003" in found.pop("in use")
    assert found == {
        "collections": ["col", "mine", "published"], "experiments": ["run"], "channels": ["a", "b"],
        "frames": ["CF_col_exp", "CF_published_exp", "frame"], "updated": "new", "public": True,
        "extents": [[0, 10], [0, 10], [0, 10]], "left": ["col", "published"],
    }  # fmt: skip


def test_metadata_are_created_changed_and_deleted(session: dict[str, Any]) -> None:
    found = session["metadata"]
    assert "already exists" in found.pop("twice")
    assert found == {"keys": ["k1", "k2"], "values": {"k1": "new", "k2": "v2"}, "mapping": ["k2", "k3"]}


def test_users_groups_and_permissions(session: dict[str, Any]) -> None:
    found = session["people"]
    groups, deleted = found.pop("then")
    assert groups == []
    assert "404" in deleted
    grant = {"group": "lab", "collection": "col", "experiment": "exp", "channel": "em", "permissions": ["read"]}
    assert found == {
        "user": "bob", "roles": ["resource-manager"], "groups": ["lab"],
        "group": {"name": "lab", "owner": "admin", "resources": [grant]},
        "members": ["admin", "bob"], "is member": True, "maintainers": ["admin", "bob"],
        "permissions": ["read"], "all": 1,
    }  # fmt: skip
