"""A process that performs the jobs of one child of an array of AWS Batch.

``python -m voxome.engines.awsbatch_worker FOLDER ARRAY PLACES`` performs the jobs ``jobs/ARRAY-N-P.json`` of a folder
on S3, where N is the index of the child in its array, or 0, and P is below PLACES. It writes the status of each to
``results/ARRAY-N-P.json`` as the last thing; a job that has one is not performed. The exit status is 0 if all are done,
1 if one is not, 2 if there is no job.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.element_worker import MISSING, has_status, perform_all
from voxome.engines.job_arrays import Place
from voxome.storage.find import storage_at

INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
"""Variable that AWS sets in the children of an array."""


def job_key(array: str, place: Place) -> str:
    """Return where a job is, in the folder of its run."""
    return f"jobs/{array}-{place}.json"


def result_key(array: str, place: Place) -> str:
    """Return where the status of a job is, in the folder of its run."""
    return f"results/{array}-{place}.json"


def perform_stored(folder: str, array: str, element: int, places: int) -> int:
    """Perform the jobs of a child, and return the exit status.

    Raises
    ------
    AccessDenied, StoreError
        If the store refuses, or fails: then there is no status.
    """
    home = storage_at(folder)
    found = False

    def read(place: int) -> Job | None:
        nonlocal found
        data = home.read(job_key(array, Place(element, place)))
        if data is None:
            return None
        found, job = True, Job.from_json(json.loads(data))
        return None if has_status(job, home.read(result_key(array, Place(element, place)))) else job

    def write(place: int, status: JobStatus) -> None:
        (home / result_key(array, Place(element, place))).write_bytes(json.dumps(status.to_json()).encode())

    code = perform_all(places, read, write)
    if not found:
        print(f"{home} has no jobs {array}-{element}; its run may have been cancelled", file=sys.stderr)
        return MISSING
    return code


def main(arguments: Sequence[str]) -> int:
    """Perform the jobs that arguments and environment name, and return the exit status."""
    folder, array, places = arguments
    return perform_stored(folder, array, int(os.environ.get(INDEX, "0")), int(places))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
