"""The engine ``awsbatch``: arrays of jobs of AWS Batch, with jobs and results on S3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxome.engines.awsbatch_options import BatchOptions, parse_memory, parse_number
from voxome.errors import InvalidInput, describe_value
from voxome.extras import require
from voxome.storage.find import storage_at

if TYPE_CHECKING:
    from voxome.engines.awsbatch_engine import BatchEngine


def open_awsbatch(
    *,
    workers: int,
    log: Path,
    store: str | None = None,
    queue: str = "",
    image: str = "",
    region: str = "",
    role: str = "",
    logs: str = "",
    limit_s: str = "",
    mem: str = "4G",
    spool: str = "",
    group: str = "1",
    grace: str = "60",
    poll: str = "10",
    patience: str = "3600",
) -> BatchEngine:
    """Return the engine ``awsbatch``.

    Parameters
    ----------
    workers : int
        Children of arrays that are queued or run in AWS Batch at once.
    log : path
        Log.
    store : str, optional
        Address of the store of the run, in which jobs and results are kept.
    queue, image : str
        Job queue, and image with voxome.
    region, role, logs : str
        Region, role of the containers (an ARN), and log group.
    limit_s : str
        Seconds that a job may take; 60 at least.
    mem : str
        Memory of jobs whose need is unknown, such as ``8G``.
    spool : str
        Folder on S3 for jobs and results, if not the store.
    group : str
        Jobs of the run that one job of AWS Batch performs, one after the other.
    grace, poll, patience : str
        Seconds that AWS may not know a job, between two looks at states, and that AWS may refuse or fail.

    Raises
    ------
    InvalidInput, StoreError, MissingExtra
        If an option is missing or wrong, AWS does not answer, or a package is missing.
    """
    for name, value in (("queue", queue), ("image", image)):
        if not value:
            raise InvalidInput(f"The engine awsbatch needs {name}; write awsbatch?queue=NAME&image=IMAGE")
    address = spool or store or ""
    if not address.startswith("s3://"):
        where = f"the store is {describe_value(address)}" if address else "this has no store"
        raise InvalidInput(
            f"The engine awsbatch keeps jobs and results on S3, and {where}; give --store s3://BUCKET/PREFIX, or "
            "awsbatch?spool=s3://BUCKET/PREFIX"
        )
    require("aws", "botocore")
    from voxome.engines.awsbatch_engine import BatchEngine

    options = BatchOptions(
        queue=queue,
        image=image,
        region=region,
        role=role,
        logs=logs,
        limit_s=parse_number("limit_s", limit_s, 60) if limit_s else None,
        memory_mib=parse_memory(mem),
        group=parse_number("group", group, 1),
        grace_s=parse_number("grace", grace, 0),
        poll_s=parse_number("poll", poll, 0),
        patience_s=parse_number("patience", patience, 0),
    )
    return BatchEngine(workers=workers, log=log, folder=storage_at(address, writing=True), options=options)
