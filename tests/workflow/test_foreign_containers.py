"""Foreign programs in containers, over blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from peers.podman import IMAGE, Podman
from workflow.block_programs import COPY_STEP, copy_tool, write_workflow

import voxome
from voxome.environments.lock import LOCK_NAME, ImageLock
from voxome.errors import PlanError, RunFailed
from voxome.workflow.verbs import plan, run

pytestmark = pytest.mark.slow
COPY = "[sh, -c, 'cat $0 > out.npy', $(inputs.image)]"


@pytest.fixture(autouse=True)
def _configured(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])
    monkeypatch.setenv("VOXOME_ENVIRONMENT", "podman")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Function that writes a workflow of one tool with an image, and a volume."""

    def write(argv: str = COPY, image: str = IMAGE, more: str = "") -> Path:
        np.save(tmp_path / "raw.npy", np.arange(9 * 8 * 8, dtype=np.uint16).reshape(9, 8, 8))
        more = f"requirements: {{DockerRequirement: {{dockerImageId: '{image}'}}{more}}}"
        return write_workflow(tmp_path, COPY_STEP, copy_tool(argv, out="{format: npy, dtype: uint16}", more=more))

    return write


def run_copy(workflow: Path) -> Path:
    out = workflow.parent / "out"
    run(workflow, {"raw": workflow.parent / "raw.npy"}, out=out, engine="sequential", voxel_size_nm=(10, 10, 10))
    return out


def test_a_program_runs_in_its_image(write: Callable[..., Path]) -> None:
    workflow = write("[sh, -c, 'test ! -e /usr/bin && cat $0 > out.npy', $(inputs.image)]")
    out = run_copy(workflow)
    np.testing.assert_array_equal(voxome.open(out / "out.zarr")[...], np.load(workflow.parent / "raw.npy"))


@pytest.mark.parametrize("target", ["/elsewhere", "$(inputs.image)", "/voxome-block/files/x"])
def test_nothing_can_be_written_but_the_work_folder(write: Callable[..., Path], target: str) -> None:
    workflow = write(f"[sh, -c, 'cat $0 > out.npy; echo x >> $1', $(inputs.image), {target}]")
    with pytest.raises(RunFailed, match=r"(?i)read-only file system"):
        run_copy(workflow)


def test_a_missing_image_is_named_before_anything_runs(write: Callable[..., Path]) -> None:
    workflow = write(image="localhost/nothing:1")
    with pytest.raises(PlanError, match="localhost/nothing:1 is not among those of podman"):
        plan(workflow, {"raw": workflow.parent / "raw.npy"})


def test_an_image_that_was_rebuilt_runs_again(podman: Podman, write: Callable[..., Path]) -> None:
    workflow = write(image="localhost/tool:1")
    keys = []
    for text in ("one", "two", "one"):
        lines = f"FROM {IMAGE}\nENV WHICH={text}\n"
        podman("build", "--quiet", "--timestamp=0", "--tag=localhost/tool:1", "-", stdin=lines.encode())
        keys.append(plan(workflow, {"raw": workflow.parent / "raw.npy"}).key)
    assert keys[0] == keys[2] != keys[1]


def test_an_image_that_is_not_the_one_in_the_lock_file_is_refused(podman: Podman, write: Callable[..., Path]) -> None:
    workflow = write(image="localhost/tool:2")
    for text in ("one", "two"):
        lines = f"FROM {IMAGE}\nENV WHICH={text}\n"
        podman("build", "--quiet", "--tag=localhost/tool:2", "-", stdin=lines.encode())
        if text == "one":
            voxome.build_images("localhost/tool:2", lock=workflow.parent / "voxome.lock.json")
            plan(workflow, {"raw": workflow.parent / "raw.npy"})
    with pytest.raises(PlanError, match=r"voxome\.lock\.json pins"):
        plan(workflow, {"raw": workflow.parent / "raw.npy"})


def test_a_program_that_needs_more_memory_than_its_limit_is_named(write: Callable[..., Path]) -> None:
    greedy = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
    workflow = write(f"[sh, -c, '{greedy}']", more=", ResourceRequirement: {ramMax: 32}")
    with pytest.raises(RunFailed, match="memory"):
        run_copy(workflow)


def test_the_environment_of_a_call_is_that_of_its_programs(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOXOME_ENVIRONMENT")
    workflow = write("[sh, -c, 'test ! -e /usr/bin; echo $? >&2; cat $0 > out.npy', $(inputs.image)]")
    inputs = {"raw": workflow.parent / "raw.npy"}
    for environment in ("native", "podman"):
        planned = plan(workflow, inputs, environment=environment)
        assert planned.steps[0].program is not None
        assert planned.steps[0].program["environment"] == environment
        assert (planned.steps[0].program["image"] is None) == (environment == "native")


def test_a_run_keeps_to_the_images_of_a_lock_file(write: Callable[..., Path]) -> None:
    workflow = write()
    lock = ImageLock(workflow.parent / LOCK_NAME).pin(IMAGE, "config", "sha256:0")
    lock.write()
    with pytest.raises(PlanError, match=r"pins sha256:0"):
        plan(workflow, {"raw": workflow.parent / "raw.npy"}, environment="podman")
