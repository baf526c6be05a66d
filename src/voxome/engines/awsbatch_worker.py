"""A process that performs one job of AWS Batch.

``python -m voxome.engines.awsbatch_worker FOLDER ARRAY`` performs job ``jobs/ARRAY-N.json`` of a folder on S3, where N
is its index in the array, or 0. It writes the status to ``results/ARRAY-N.json`` as the last thing, unless that says
already that the job is done. The exit status is 0 if the job is done, 1 if it failed, 2 if there is no such job.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from voxome.contracts.engine import Job, JobStatus
from voxome.storage.find import storage_at

INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Variable that AWS sets in the children of an array."""
DONE, FAILED, MISSING = 0, 1, 2
"""Exit statuses."""


def job_key(array: str, index: int) -> str:
    """Return where a job is, in the folder of its run."""
    return f"jobs/{array}-{index}.json"


def result_key(array: str, index: int) -> str:
    """Return where the status of a job is, in the folder of its run."""
    return f"results/{array}-{index}.json"


def perform_stored(folder: str, array: str, index: int) -> int:
    """Perform a job, write its status as the last thing, and return the exit status.

    Raises
    ------
    AccessDenied, StoreError
        If the store refuses, or fails: then there is no status.
    """
    from voxome.engines.perform import perform_in_worker

    home = storage_at(folder)
    data = home.read(job_key(array, index))
    if data is None:
        print(f"{home}/{job_key(array, index)} does not exist; its run may have been cancelled", file=sys.stderr)
        return MISSING
    job, target = Job.from_json(json.loads(data)), home / result_key(array, index)
    if _is_done(target.read_bytes()):
        return DONE
    status = perform_in_worker(job)
    target.write_bytes(json.dumps(status.to_json()).encode())
    return DONE if status.state == "done" else FAILED


def _is_done(text: bytes | None) -> bool:
    try:
        return text is not None and JobStatus.from_json(json.loads(text)).state == "done"
    except (ValueError, KeyError, TypeError):
        return False


def main(arguments: Sequence[str]) -> int:
    """Perform the job that arguments and environment name, and return the exit status."""
    folder, array = arguments
    return perform_stored(folder, array, int(os.environ.get(INDEX, "0")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
