"""A pipeline gives the same results in array jobs of AWS Batch, also when spot instances are taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from peers.s3 import Bucket
from standins.awsbatch import SPOT, BatchStandIn
from workflow.pipeline import NEURONS, assert_same_neurons, neuron_inputs
from workflow.test_dask import repeating

from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow


def test_the_pipeline_runs_in_array_jobs_with_everything_on_s3(
    reference: Path,
    tmp_path: Path,
    aws_batch: BatchStandIn,
    bucket: Bucket,
    fresh_key: Callable[[], str],
) -> None:
    data, results = fresh_key(), fresh_key()
    for name, path in neuron_inputs(reference).items():
        bucket.upload(Path(path), f"{data}/{name}.zarr")
    inputs = {name: f"zarr://{bucket.uri(f'{data}/{name}.zarr')}" for name in neuron_inputs(reference)}

    def take_an_instance_away() -> bool:
        running = aws_batch.running()
        if running:
            aws_batch.end(running[0], SPOT)
        return bool(running)

    with repeating(take_an_instance_away, every_s=3.0, most=2) as kills:
        record = run(
            NEURONS,
            inputs,
            out=tmp_path / "out",
            store=bucket.uri(results),
            workers=2,
            block=(96, 96, 96),
            engine=f"awsbatch?queue={aws_batch.queue}&image=voxome&poll=1",
        )
    assert [(row["name"], row["workers"]) for row in record["engines"]] == [("awsbatch", 2)]
    assert kills
    bucket.download(results, tmp_path / "store")
    assert_same_neurons(reference, tmp_path / "store")
    assert not [key for key in bucket.keys(results) if "/awsbatch/" in key]
    text = "".join(
        path.read_text() for path in (tmp_path / "out" / ".voxome").rglob("*") if path.suffix in (".json", ".log")
    )
    assert "hush-hush" not in text + (tmp_path / "out" / "run.json").read_text() + str(aws_batch.requests)
