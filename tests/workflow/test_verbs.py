"""``voxome.plan``, ``voxome.run`` and ``voxome.tool``: what they take, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from peers.s3 import Bucket

import voxome
from voxome.blocks.progress import StepReport
from voxome.contracts.source import Version, VolumeSource
from voxome.errors import InvalidInput, NotFound, ReadOnly
from voxome.resources.unfinished import unfinished_step
from voxome.resources.volume_like import location_of
from voxome.storage.find import storage_at
from voxome.testing.strategies import noise
from voxome.workflow import array_inputs
from voxome.workflow.array_inputs import store_arrays

SHAPE = (8, 16, 16)
ARRAY = noise(SHAPE, "uint8")
ABOVE = np.where(ARRAY > 99, 255, 0)


def threshold(image: Any, out: Path, **options: Any) -> voxome.Volume:
    """Run ``common.threshold`` at 99."""
    options = {"block": (8, 8, 8), "engine": "sequential", **options}
    handles = voxome.tool("common.threshold", {"image": image, "at": 99.0}, out=out, **options)
    return voxome.open(handles["result"].uri, expect=voxome.Volume)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """A workflow with one step."""
    file = tmp_path / "threshold.cwl"
    file.write_text(
        f"""
cwlVersion: v1.2
class: Workflow
inputs: {{raw: string, store: string}}
steps:
  threshold:
    run: {Path(__file__).parents[2]}/pipelines/tools/common.threshold.cwl
    in: {{store: store, image: raw, at: {{default: 99.0}}}}
    out: [result]
outputs: {{above: {{type: File, outputSource: threshold/result}}}}
"""
    )
    return file


@pytest.mark.slow
def test_an_array_is_an_input(tmp_path: Path) -> None:
    assert_array_equal(threshold(ARRAY, tmp_path / "out"), ABOVE)


@pytest.mark.slow
def test_a_path_a_uri_and_a_volume_are_inputs(tmp_path: Path) -> None:
    stored = voxome.create(f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of(SHAPE, "uint8"))
    stored[...] = ARRAY
    for image in (tmp_path / "raw.zarr", f"{tmp_path}/raw.zarr", stored):
        assert_array_equal(threshold(image, tmp_path / "out"), ABOVE)
    assert not (tmp_path / "out" / ".voxome" / "inputs").exists()


@pytest.mark.slow
def test_a_volume_in_memory_keeps_its_voxel_size_and_position(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", start=(3, 4, 5), voxel_size_nm=(40, 4, 4), offset_nm=(1, 2, 3))
    volume = voxome.create("memory://verbs", spec)
    volume[...] = ARRAY
    found = threshold(volume, tmp_path / "out")
    assert_array_equal(found, ABOVE)
    assert (found.domain, found.voxel_size_nm, found.spec.offset_nm) == (spec.domain, (40, 4, 4), (1, 2, 3))


@pytest.mark.slow
def test_the_same_array_is_written_once_and_the_same_call_reuses_its_results(tmp_path: Path, workflow: Path) -> None:
    first = voxome.run(workflow, {"raw": ARRAY}, out=tmp_path / "out", block=(8, 8, 8))
    again = voxome.run(workflow, {"raw": ARRAY.copy()}, out=tmp_path / "out", block=(8, 8, 8))
    assert [record["steps"][0]["blocks"]["run"] for record in (first, again)] == [4, 0]
    (stored,) = (tmp_path / "out" / ".voxome" / "inputs").glob("[!.]*")
    assert_array_equal(voxome.open(stored, expect=voxome.Volume), ARRAY)
    changed = voxome.run(workflow, {"raw": 255 - ARRAY}, out=tmp_path / "out", block=(8, 8, 8))
    assert changed["steps"][0]["blocks"]["run"] == 4


@pytest.mark.slow
def test_a_plan_can_be_run(tmp_path: Path, workflow: Path) -> None:
    plan = voxome.plan(
        workflow, {"raw": ARRAY}, block={"threshold": (8, 8, 8)}, box="0:8,0:8,0:16", voxel_size_nm=(9, 8, 8)
    )
    assert (plan.steps[0].name, plan.steps[0].total) == ("threshold", 2)
    voxome.run(plan, out=tmp_path / "out", workers=2)
    found = voxome.open(tmp_path / "out" / "above.zarr", expect=voxome.Volume)
    assert_array_equal(found[:, :8], ABOVE[:, :8])
    assert found.voxel_size_nm == (9, 8, 8)
    with pytest.raises(InvalidInput, match=r"voxome\.plan"):
        voxome.run(plan, out=tmp_path / "out", block=(8, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 64}, r"block is 64; expected three numbers of voxels \(z, y, x\)"),
        ({"block": (64, 64)}, r"block is \(64, 64\); expected three"),
        ({"block": "64,64,64"}, "block is '64,64,64'; expected three"),
        ({"block": {"*": (0, 8, 8)}}, "block is"),
        ({"block": {"treshold": (8, 8, 8)}}, "did you mean 'threshold'"),
        ({"box": ((0, 0, 0), (8, 8, 8))}, "is not a box; use voxome.Box"),
        ({"box": "0:8"}, "has 1 range, needs 3"),
        ({"level": -1}, "level is -1; expected a whole number of at least 0"),
        ({"level": "one"}, "level is 'one'"),
        ({"voxel_size_nm": 10}, "voxel_size_nm is 10; expected three positive lengths in nm"),
        ({"voxel_size_nm": (10, -1, 10)}, "expected three positive lengths"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused(workflow: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        voxome.plan(workflow, {"raw": ARRAY}, **options)


def test_what_is_not_a_path_or_a_volume_is_refused(tmp_path: Path, workflow: Path) -> None:
    with pytest.raises(InvalidInput, match="workflow is 5; expected a path or URI"):
        voxome.plan(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="out is None; expected a path"):
        voxome.run(workflow, {"raw": ARRAY}, out=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="workers is 0; expected a whole number of at least 1"):
        voxome.run(workflow, {"raw": ARRAY}, out=tmp_path / "out", workers=0)
    with pytest.raises(InvalidInput, match="an array of <U1 with 1 axes is not a volume"):
        voxome.plan(workflow, {"raw": np.array(["a"])})
    with pytest.raises(NotFound, match="does not exist"):
        voxome.plan(tmp_path / "nothing.cwl", {"raw": ARRAY})
    with pytest.raises(InvalidInput, match=r"did you mean 'common\.threshold'"):
        voxome.tool("common.treshold", {"image": ARRAY}, out=tmp_path / "out")


@pytest.mark.slow
def test_a_volume_whose_uri_gives_other_voxels_is_copied(tmp_path: Path) -> None:
    stored = voxome.create(f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of(SHAPE, "uint8"))
    stored[...] = ARRAY
    reversed_axes = voxome.array(f"zarr://{tmp_path}/raw.zarr", axis_order="XYZ")
    wrapped = voxome.Volume(_Inverted(stored.source), stored.uri)
    assert location_of(stored) == f"zarr://{tmp_path}/raw.zarr"
    assert location_of(reversed_axes) is None
    assert_array_equal(threshold(wrapped, tmp_path / "out"), np.where(255 - ARRAY > 99, 255, 0))


@pytest.mark.slow
def test_a_level_is_an_input(tmp_path: Path) -> None:
    source = f"zarr://{tmp_path}/raw.zarr"
    voxome.transfer(ARRAY, source, voxel_size_nm=(8, 8, 8), levels=2, state=tmp_path / "state")
    coarse = voxome.open(source, level=1)
    assert location_of(coarse) == f"{source}?level=1"
    assert threshold(coarse, tmp_path / "out").shape == coarse.shape


class _Inverted:
    """A source with inverted values."""

    concurrent_writers = False

    def __init__(self, source: VolumeSource) -> None:
        self.source, self.spec = source, source.spec

    def read(self, box: voxome.Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = 255 - self.source.read(box)
        return data if out is None else np.copyto(out, data) or out

    def write(self, box: voxome.Box, data: NDArray[Any]) -> None:
        raise ReadOnly("only read")

    def version(self) -> Version:
        return self.source.version()


def test_an_address_as_run_folder_is_refused_before_anything_is_written(
    tmp_path: Path, workflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match="is an address; expected a local folder"):
        voxome.run(workflow, {"raw": ARRAY}, out="s3://b/run")
    assert set(tmp_path.rglob("*")) == before


def test_an_array_whose_writing_was_interrupted_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = storage_at(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(array_inputs, "copy", _stop)
        with pytest.raises(KeyboardInterrupt):
            store_arrays({"raw": ARRAY}, folder)
    (path,) = tmp_path.iterdir()
    assert unfinished_step(f"zarr://{path}") == "input raw"
    assert store_arrays({"raw": ARRAY}, folder) == {"raw": f"zarr://{path}"}
    assert unfinished_step(f"zarr://{path}") is None
    assert_array_equal(voxome.open(path, expect=voxome.Volume), ARRAY)
    monkeypatch.setattr(array_inputs, "copy", _stop)
    assert store_arrays({"raw": ARRAY}, folder) == {"raw": f"zarr://{path}"}


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_array_that_another_process_has_just_created_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = storage_at(str(tmp_path))
    first = store_arrays({"raw": ARRAY}, folder)
    monkeypatch.setattr(array_inputs, "_is_finished", lambda _: False)
    assert store_arrays({"raw": ARRAY}, folder) == first
    assert_array_equal(voxome.open(first["raw"], expect=voxome.Volume), ARRAY)


@pytest.mark.slow
def test_an_array_is_stored_where_the_workers_can_read_it(tmp_path: Path, workflow: Path) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    voxome.run(workflow, {"raw": ARRAY}, out=out, store=store, block=(8, 8, 8))
    assert [path.name[:4] for path in (store / ".voxome" / "inputs").iterdir()] == ["raw-"]
    assert not (out / ".voxome" / "inputs").exists()


@pytest.mark.slow
def test_a_tool_on_an_array_with_results_in_a_bucket_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Bucket, fresh_key: Callable[[], str]
) -> None:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    out, reports = bucket.uri(fresh_key()), list[StepReport]()
    inputs = {"image": ARRAY, "at": 99.0}
    for _ in range(2):
        handles = voxome.tool("common.threshold", inputs, out=out, block=(8, 8, 8), progress=reports.append)
    assert_array_equal(voxome.open(handles["result"].uri, expect=voxome.Volume), ABOVE)
    first, last = reports[0], reports[-1]
    assert [(one.run, one.reused) for one in (first, last)] == [(4, 0), (0, 4)]
