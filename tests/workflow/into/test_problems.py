"""Destinations and options that do not fit are problems of the plan, before any block is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from workflow.into.conftest import Lab, opened, transfers

import voxome
from voxome.errors import AccessDenied, InvalidInput, PlanError, UnknownName
from voxome.remotes.n5.source import N5Source


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["zarr://file://{}/raw.zarr", "zarr://{}/raw.zarr/", "zarr://{}/link.zarr"])
def test_a_result_is_not_copied_onto_an_input_however_it_is_spelled(lab: Lab, spelling: str) -> None:
    (lab.folder / "link.zarr").symlink_to("raw.zarr")
    problems = lab.problems({"mask": spelling.format(lab.folder)}, existing=True)
    assert "is the input raw already" in problems
    assert np.array_equal(opened(f"zarr://{lab.folder}/raw.zarr")[...], lab.raw)


@pytest.mark.slow
def test_a_run_that_is_refused_creates_no_destination(lab: Lab) -> None:
    lab.run()
    with pytest.raises(PlanError, match="keeps its results in the folder itself"):
        lab.run(into={"mask": f"zarr://{lab.folder}/copy.zarr"}, store=lab.folder / "elsewhere")
    assert not (lab.folder / "copy.zarr").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("into", "message"),
    [
        ({"neuron": "zarr://{}/n.zarr"}, "Unknown output of the workflow 'neuron'; did you mean 'neurons'?"),
        ({"counts": "zarr://{}/n.zarr"}, "is a table, and only volumes can be copied .* are mask, neurons"),
        ({"mask": "zar://{}/n.zarr"}, "'zar'; did you mean 'zarr'"),
        ({"mask": "{}/n.zarr"}, "without a format; write zarr://"),
        ({"mask": "zarr://{}/raw.zarr"}, "raw.zarr is the input raw already"),
        ({"mask": "zarr://{}/n.zarr", "neurons": "zarr://{}/n.zarr"}, "is the destination of mask already"),
        ({"mask": "zarr://{}/n.zarr?window=0:9"}, "view"),
        ({"mask": "npy://{}/n.npy"}, "--drop voxel_size --drop start"),
    ],
)
def test_a_destination_that_cannot_be_written_is_a_problem_of_the_plan(
    lab: Lab, into: dict[str, str], message: str
) -> None:
    given = {output: uri.format(lab.folder) for output, uri in into.items()}
    with pytest.raises(PlanError, match=message):
        lab.plan(into=given)
    lab.problems(given)
    assert not (lab.folder / "n.zarr").exists()


@pytest.mark.slow
def test_a_destination_with_other_data_is_refused_unless_allowed(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    voxome.create(uri, opened(f"{lab.folder}/raw.zarr").spec)[...] = 9
    assert "already exists and is not from this transfer" in lab.problems({"mask": uri})
    assert (opened(uri)[...] == 9).all()
    assert lab.plan(into={"mask": uri}).destinations[0].exists
    assert transfers(lab.run(into={"mask": uri}, existing=True))["mask"]["blocks"]["run"]
    assert np.array_equal(opened(uri)[...], lab.mask())
    assert transfers(lab.run(into={"mask": uri}, existing=True))["mask"]["blocks"]["run"] == 0


@pytest.mark.slow
def test_an_existing_volume_that_does_not_fit_is_a_problem_of_the_plan(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((4, 4, 4), "uint16"))
    with pytest.raises(PlanError) as raised:
        lab.plan(into={"mask": uri}, existing=True)
    assert len(raised.value.problems) == 3
    assert all(problem.startswith(f"into mask: {uri}: its ") for problem in raised.value.problems)


@pytest.mark.slow
def test_a_store_that_refuses_writes_is_noticed_before_any_block(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AccessDenied("no right to write")

    uri = f"n5://{lab.folder}/mask.n5"
    voxome.create(uri, opened(f"{lab.folder}/raw.zarr").spec, encoding=None)
    monkeypatch.setattr(N5Source, "write", refuse)
    assert "into mask: no right to write" in lab.problems({"mask": uri}, existing=True)


@pytest.mark.slow
def test_a_result_is_not_copied_onto_a_result(lab: Lab) -> None:
    message = "the run keeps its output neurons there"
    assert message in lab.problems({"mask": f"zarr://{lab.out}/neurons.zarr"})
    assert "the run keeps its output mask there" in lab.problems({"mask": f"zarr://{lab.out}/mask.zarr"})


@pytest.mark.slow
def test_a_plan_lists_destinations_without_secrets_and_creates_nothing(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    plan = lab.plan(into={"mask": uri}, levels=2)
    (listed,) = plan.to_json()["into"]
    assert listed["destination"] == uri
    assert (listed["bytes"], listed["levels"], listed["exists"]) == (lab.raw.size, 2, False)
    assert not (lab.folder / "mask.zarr").exists()
    assert plan.key == lab.plan().key
    record = voxome.run(plan, out=lab.out, engine="sequential")
    assert transfers(record)["mask"]["levels"] == 2
    with pytest.raises(InvalidInput, match="a plan has its inputs and options already"):
        voxome.run(plan, out=lab.out, into={"mask": uri})


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"levels": 2}, {"verify": "all"}, {"drop": ["start"]}, {"existing": True}])
def test_options_of_a_copy_need_a_destination(lab: Lab, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="into="):
        lab.run(**options)


@pytest.mark.parametrize("options", [{"levels": 0}, {"verify": "most"}, {"drop": ["voxels"]}])
def test_wrong_options_of_a_copy_are_refused(lab: Lab, options: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, UnknownName)):
        lab.run(into={"mask": f"zarr://{lab.folder}/n.zarr"}, **options)
