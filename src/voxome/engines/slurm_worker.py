"""A process that performs the jobs of one element of a job array of Slurm.

``python -m voxome.engines.slurm_worker PLACES`` performs the jobs ``E-P.json`` of the working directory, where E is the
index of the element and P is below PLACES. It writes the status of each to ``E-P.result.json``, which appears complete
or not at all; a job that has one is not performed. The exit status is 0 if all are done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.element_worker import has_status, perform_all
from voxome.storage.atomic import replacing

INDEX = "SLURM_ARRAY_TASK_ID"
"""Variable that Slurm sets in the elements of an array."""


def perform_element(folder: Path, element: int, places: int) -> int:
    """Perform the jobs of an element, and return the exit status.

    Raises
    ------
    StoreError
        If a status cannot be written.
    """

    def read(place: int) -> Job | None:
        try:
            job = Job.from_json(json.loads((folder / f"{element}-{place}.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        result = folder / f"{element}-{place}.result.json"
        return None if result.exists() and has_status(job, result.read_bytes()) else job

    def write(place: int, status: JobStatus) -> None:
        with (
            replacing(folder / f"{element}-{place}.result.json") as partial,
            partial.open("w", encoding="utf-8") as stream,
        ):
            stream.write(json.dumps(status.to_json()))
            stream.flush()
            os.fsync(stream.fileno())

    return perform_all(places, read, write)


if __name__ == "__main__":
    sys.exit(perform_element(Path.cwd(), int(os.environ[INDEX]), int(sys.argv[1])))
