"""Results are copied into other stores as the last step of a run, verified and recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from workflow.into.conftest import BOX, SHAPE, SIZE, START, Lab, opened, transfers

import voxome
from voxome.cli.main import main


@pytest.mark.slow
def test_results_are_copied_recorded_and_not_copied_again(lab: Lab) -> None:
    into = {"mask": f"precomputed://{lab.folder}/mask", "neurons": f"n5://{lab.folder}/neurons.n5"}
    record = lab.run(into=into, verify="all", levels=2)
    mask, neurons = opened(into["mask"]), opened(into["neurons"])
    assert np.array_equal(mask[...], lab.mask())
    assert np.array_equal(neurons[...], lab.neurons)
    for volume in (mask, neurons):
        assert (volume.domain.start, volume.voxel_size_nm) == (START, SIZE)
        assert len(volume.levels) == 2
    assert neurons.spec.kind == "labels"
    assert json.loads((lab.out / "run.json").read_text()) == record
    done = transfers(record)
    assert done["mask"]["destination"] == into["mask"]
    assert done["mask"]["bytes"] == lab.raw.size
    for one in done.values():
        assert one["blocks"]["run"] == one["verified"] == one["blocks"]["total"] > 4
    again = transfers(lab.run(into=into, verify="all", levels=2))
    for output, one in again.items():
        assert one["blocks"] == {"total": one["blocks"]["total"], "run": 0, "reused": one["blocks"]["total"]}
        assert one["verified"] == done[output]["verified"]


@pytest.mark.slow
def test_the_results_of_a_finished_run_are_copied_later(lab: Lab) -> None:
    lab.run()
    uri = f"zarr://{lab.folder}/copy.zarr"
    record = lab.run(into={"mask": uri})
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert transfers(record)["mask"]["blocks"]["reused"] == 0
    assert np.array_equal(opened(uri)[...], lab.mask())


@pytest.mark.slow
def test_the_record_keeps_the_transfers_of_results_that_are_unchanged(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr", "neurons": f"zarr://{lab.folder}/neurons.zarr"}
    done = transfers(lab.run(into=into))
    assert transfers(lab.run()) == done
    assert json.loads((lab.out / "run.json").read_text())["transfers"] == list(done.values())
    lab.edit_lookup(77)
    assert transfers(lab.run()) == {"mask": done["mask"]}
    again = lab.run(into={"neurons": into["neurons"]})["transfers"]
    assert [one["output"] for one in again] == ["mask", "neurons"]
    assert again[1]["key"] != done["neurons"]["key"]
    assert set(transfers(lab.run(at=7.0))) == {"neurons"}
    lab.edit_lookup(78)
    assert lab.run(at=7.0)["transfers"] == []


@pytest.mark.slow
def test_a_changed_result_is_copied_again_and_no_other(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr", "neurons": f"zarr://{lab.folder}/copies/neurons.zarr"}
    lab.run(into=into)
    for at in (50.0, 100.0):
        done = transfers(lab.run(at=at, into=into))
        assert done["mask"]["blocks"]["reused"] == done["neurons"]["blocks"]["run"] == 0
        assert np.array_equal(opened(into["mask"])[...], lab.mask(at))
    lab.edit_lookup(77)
    done = transfers(lab.run(into=into))
    assert done["neurons"]["blocks"]["reused"] == done["mask"]["blocks"]["run"] == 0
    assert np.array_equal(opened(into["neurons"])[...], lab.neurons)
    assert transfers(lab.run(into=into, fresh=True))["mask"]["blocks"]["reused"] == 0


@pytest.mark.slow
def test_only_the_box_of_the_run_is_copied_to_its_place(lab: Lab) -> None:
    new, old = f"zarr://{lab.folder}/new.zarr", f"n5://{lab.folder}/old.n5"
    spec = opened(f"{lab.folder}/ids.zarr").spec
    voxome.create(old, spec, encoding=None)[...] = 5
    lab.run(into={"mask": new, "neurons": old}, box=BOX, existing=True)
    box = voxome.Box.parse(BOX)
    inside = box.within(spec.domain)
    assert opened(new).domain == box
    assert np.array_equal(opened(new)[...], lab.mask()[inside])
    expected = np.full(SHAPE, 5, np.uint64)
    expected[inside] = lab.neurons[inside]
    assert np.array_equal(opened(old)[...], expected)


@pytest.mark.slow
def test_what_a_format_cannot_store_is_dropped_on_request(lab: Lab) -> None:
    lab.run(into={"mask": f"npy://{lab.folder}/n.npy"}, drop=["voxel_size", "start", "offset"])
    assert np.array_equal(np.load(lab.folder / "n.npy"), lab.mask())


@pytest.mark.slow
def test_the_command_takes_destinations(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"precomputed://{lab.folder}/mask"
    inputs = [part for name, value in lab.inputs.items() for part in ("--set", f"{name}={value}")]
    options = ["--into", f"mask={uri}", "--levels", "2", "--verify", "all"]

    def command(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *inputs, *options])
        assert ended.value.code == 0
        return capsys.readouterr().err

    assert f"mask: 444 kB into {uri}, which will be created" in command("plan", str(lab.workflow))
    err = command("run", str(lab.workflow), "--out", str(lab.out), "--workers", "1")
    assert "mask.into: " in err
    assert "mask.into.level1: " in err
    assert f"mask: 444 kB in {uri}, " in err
    assert f"mask: 444 kB into {uri}, which exists" in command("plan", str(lab.workflow))


@pytest.mark.slow
def test_a_copy_is_verified_later_without_being_repeated(lab: Lab) -> None:
    into = {"mask": f"precomputed://{lab.folder}/mask"}
    first = transfers(lab.run(into=into))["mask"]
    every = transfers(lab.run(into=into, verify="all"))["mask"]
    assert 0 < first["verified"] < first["blocks"]["total"] == every["verified"]
    assert every["blocks"]["run"] == 0
    assert transfers(lab.run(into=into, verify="none"))["mask"]["verified"] == 0
    again = transfers(lab.run(into=into))["mask"]
    assert (again["verified"], again["blocks"]["reused"]) == (first["verified"], 0)
