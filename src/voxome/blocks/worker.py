"""A process that performs jobs.

``python -m voxome.blocks.worker`` takes jobs as JSON lines on its standard input and writes their statuses to its
standard output. It ends when its input does, or with its parent; what takes long to import waits until that is ensured.

``python -m voxome.blocks.worker --job FILE --result FILE`` performs one job and writes its status to a file, unless
that file says already that the job is done. The exit status is 0 if the job is done, 1 if it failed, 2 if the arguments
or the job file are wrong.

What libraries print goes to standard error.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from voxome.contracts.engine import Job, JobStatus

_PR_SET_PDEATHSIG = 1
DONE, FAILED, WRONG_USAGE = 0, 1, 2
"""Exit statuses of a worker that performs one job."""


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(run: Callable[[Job], JobStatus] | None = None) -> None:
    """Perform jobs from standard input until it ends, with `run` in place of `perform_in_worker` if given."""
    parent = os.getppid()
    end_with_parent()
    if os.getppid() != parent:
        return
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from voxome.blocks.memory import freeze_survivors
    from voxome.engines.perform import perform_in_worker

    freeze_survivors()
    perform = run or perform_in_worker
    for line in sys.stdin:
        replies.write(json.dumps(perform(Job.from_json(json.loads(line))).to_json()) + "\n")
        replies.flush()
    gc.freeze()


def run_file(job: Path, result: Path) -> int:
    """Perform the job in a file, write its status to another as the last thing, and return the exit status.

    Nothing is performed if the other file says that the job is done. It appears complete, or not at all.
    """
    from voxome.engines.perform import perform_in_worker
    from voxome.storage.atomic import replacing

    try:
        loaded = Job.from_json(json.loads(job.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{job} is not a job file of voxome: {error}; expected the JSON of a Job", file=sys.stderr)
        return WRONG_USAGE
    if _is_done(loaded, result):
        return DONE
    status = perform_in_worker(loaded)
    with replacing(result) as partial, partial.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(status.to_json()))
        stream.flush()
        os.fsync(stream.fileno())
    return DONE if status.state == "done" else FAILED


def _is_done(job: Job, result: Path) -> bool:
    try:
        status = JobStatus.from_json(json.loads(result.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (status.id, status.state) == (job.id, "done")


def main() -> None:
    """Serve jobs, or perform the one that the arguments name."""
    parser = argparse.ArgumentParser("voxome.blocks.worker", description="Perform jobs of voxome.", allow_abbrev=False)
    parser.add_argument("--job", type=Path, metavar="FILE", help="job to perform, as JSON")
    parser.add_argument("--result", type=Path, metavar="FILE", help="file for the status of that job")
    options = parser.parse_args()
    if (options.job is None) != (options.result is None):
        parser.error("--job and --result go together")
    if options.job is None:
        serve()
    else:
        sys.exit(run_file(options.job, options.result))


if __name__ == "__main__":
    main()
