"""A process of CWL from document to delivered outputs, as a cwl-runner does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

from voxome.config.machine import available_cpus
from voxome.config.settings import settings
from voxome.contracts.formats import PRIVATE
from voxome.contracts.records import Event
from voxome.environments import NATIVE
from voxome.extras import require
from voxome.records.choice import RecordsChoice, records_opener
from voxome.records.folder import lock_folder, map_disk_errors
from voxome.redaction import redact
from voxome.registry import factory
from voxome.workflow.store import local_folder

UNSUPPORTED = 33
"""Exit status for a process that needs what is not supported."""


def run_process(
    process: str,
    job: Sequence[str] = (),
    *,
    out: str | Path = ".",
    quiet: bool = False,
    workers: int | None = None,
    engine: str = "local",
    environment: str | None = None,
    cache: str | Path | None = None,
    records: RecordsChoice | None = None,
    tmpdir_prefix: str | None = None,
    stdout: IO[str] | None = None,
) -> int:
    """Run a process of CWL v1.0 to v1.2 and print its output object.

    Parameters
    ----------
    process : str
        Path or URL of the document, with ``#NAME`` of one process in it.
    job : sequence of str
        The input object: a file, or options as ``--threshold 3``.
    out : path
        Folder for the outputs and, in ``.voxome``, for records and what is needed to resume.
    quiet : bool
        Whether to log problems only.
    workers : int, optional
        Number of commands at a time; the cores of this process if None.
    engine : str
        ``NAME[?option=value&…]`` of what runs the commands.
    environment : str, optional
        ``NAME[?option=value&…]`` of where the commands run; that of the settings if None, and ``native`` without one.
    cache : path, optional
        Folder of results that other runs may take, and have left.
    records : RecordsChoice, optional
        Where jobs are recorded; ``sqlite`` if None.
    tmpdir_prefix : str, optional
        Beginning of the paths of temporary folders of cwltool.
    stdout : text stream, optional
        Where the output object is printed; that of this process if None.

    Returns
    -------
    int
        0, 1 after a failure, 33 if the process needs what is not supported.

    Raises
    ------
    RunLocked
        If another process uses the folder.
    InvalidInput
        If `out` or `cache` is an address.
    """
    require("em", "cwltool")
    from voxome.workflow.foreign.cache import ResultCache
    from voxome.workflow.foreign.command_engine import command_engine_opener
    from voxome.workflow.foreign.contexts import CwlCall, call_cwltool, run_id
    from voxome.workflow.foreign.digests import Digests
    from voxome.workflow.foreign.executor import ForeignExecutor
    from voxome.workflow.foreign.left_jobs import LeftJobs
    from voxome.workflow.foreign.results import JobFolders

    folder, kept = local_folder(out), None if cache is None else local_folder(cache)
    private = folder / PRIVATE
    open_engine, open_records = command_engine_opener(engine), records_opener(records)
    environment = environment or settings().environment or NATIVE
    open_environment = factory("voxome.environments", environment)
    count = workers or available_cpus()
    with lock_folder(folder), map_disk_errors(folder), open_records(private, "run") as store:
        began = time.monotonic()
        store.append([Event(time.time(), "run started", details={"process": redact(process)})])
        digests = Digests()
        results = None if kept is None else ResultCache(kept, digests)
        with closing(open_engine(workers=count, log=private / "logs" / "workers.log")) as opened:
            left = LeftJobs(opened)
            if not left.folders:
                open_environment().clear(run_id(folder))
            folders = JobFolders(private / "jobs", digests, left.folders)
            executor = ForeignExecutor(opened, folders, store, digests, results, left)
            cwl = CwlCall(process, tuple(job), folder, run_id(folder), environment, quiet, tmpdir_prefix)
            status = call_cwltool(cwl, executor, folders, stdout or sys.stdout)
        details = {"status": status, "seconds": time.monotonic() - began, "jobs": dict(executor.counts)}
        store.append([Event(time.time(), "run ended", details=details)])
        if status == 0:
            folders.remove()
    return status
