"""Quality of the shipped network and the defaults, on real data and on a phantom that was not used for training."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflow.pipeline import CONNECTOME, assert_same_results

from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.write import write_phantom
from voxome.geometry import Box
from voxome.reports import score
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow
UNSEEN = Box((100, 0, 0), (125, 250, 250))
CROP = Box((61, 45, 45), (125, 205, 205))
BLOCKS = (((64, 64, 64), "local"), ((32, 32, 32), "sequential"), ((125, 125, 125), "sequential"))


@pytest.fixture(scope="module")
def fib25(shared: Path) -> str:
    return f"hdf5://{shared}/data/fib25/fib25.h5/volumes"


def test_scores_on_unseen_sections_of_fib25_are_good(fib25: str, tmp_path: Path) -> None:
    run(CONNECTOME, {"raw": f"{fib25}/raw"}, out=tmp_path, workers=2, box=UNSEEN)
    found = score.segmentation(f"{fib25}/labels/neuron_ids", str(tmp_path / "neurons.zarr"), UNSEEN)
    assert found.adapted_rand_error <= 0.12
    assert found.voi_split + found.voi_merge <= 2.0


def test_network_predictions_do_not_depend_on_blocks(fib25: str, tmp_path: Path) -> None:
    for (block, engine), name in zip(BLOCKS, "abc", strict=True):
        run(CONNECTOME, {"raw": f"{fib25}/raw"}, out=tmp_path / name, workers=2, block=block, box=CROP, engine=engine)
    assert_same_results(tmp_path / "a", tmp_path / "b")
    assert_same_results(tmp_path / "a", tmp_path / "c")
    found = score.segmentation(f"{fib25}/labels/neuron_ids", str(tmp_path / "a" / "neurons.zarr"), CROP)
    assert found.adapted_rand_error <= 0.15


def test_the_graph_of_a_phantom_is_found_from_its_true_membranes(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    write_phantom(truth, PhantomSpec((256, 256, 256), 11))
    inputs = {name: str(truth / f"{name}.zarr") for name in ("raw", "membranes")}
    record = run(CONNECTOME, inputs, out=tmp_path / "out", workers=2, truth=truth)
    assert record["scores"]["graph"]["f1"] >= 0.95
