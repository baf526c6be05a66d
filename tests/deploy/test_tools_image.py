"""The image of voxome's own tools."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from peers.podman import Podman
from peers.python_root import python_root

import voxome
from voxome.contracts.environment import Command, Mount
from voxome.environments.call import call
from voxome.environments.podman import PodmanEnvironment
from voxome.testing.strategies import noise

ROOT = Path(__file__).parents[2]
FILE = ROOT / "containers" / "Dockerfile"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def test_the_image_has_what_it_copies_and_installs() -> None:
    lines = FILE.read_text().splitlines()
    copied = [
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    (extras,) = [line.partition("=")[2].split(",") for line in lines if line.startswith("ARG EXTRAS=")]
    project = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in project for extra in extras)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("VOXOME_TEST_IMAGE" not in os.environ, reason="`make test-image` builds it from a package index")
def test_a_tool_runs_in_the_image_without_rights_or_a_network(
    podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])
    podman("import", "-", "localhost/python:test", stdin=python_root())
    trust = [f"--volume={CERTIFICATES}:/run/certificates.crt:ro", "--env=PIP_CERT=/run/certificates.crt"]
    podman(
        "build", "--network=host", "--build-arg=BASE=localhost/python:test", "--tag=localhost/voxome:test",
        *(trust if CERTIFICATES.exists() else []), f"--file={FILE}", str(ROOT), timeout_s=800,
    )  # fmt: skip
    voxels = noise((32, 32, 32), "uint8")
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of(voxels.shape, "uint8", chunk=(16, 16, 16)))[:] = (
        voxels
    )
    environment = PodmanEnvironment()
    mounts = (Mount(f"{tmp_path}/em.zarr", "/in/em.zarr"), Mount(str(tmp_path / "work"), "/work", True))
    (tmp_path / "work").mkdir()
    argv = (
        "voxome",
        "tool",
        "common.threshold",
        "--image",
        "/in/em.zarr",
        "--out",
        "/work/out",
        "--at",
        "128",
        "--workers",
        "1",
    )
    command = Command(argv, "/work", mounts, image=environment.prepare("localhost/voxome:test"))
    with (tmp_path / "log").open("wb") as log:
        status = call(environment, command, stdout=log, stderr=log)
    assert status == 0, (tmp_path / "log").read_text()
    (mask,) = (tmp_path / "work" / "out").glob("*/result.zarr")
    result = voxome.open(str(mask))
    assert isinstance(result, voxome.Volume)
    np.testing.assert_array_equal(result[:] != 0, voxels > 128)
