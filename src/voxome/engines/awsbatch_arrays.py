"""The files of arrays of AWS Batch: jobs and their results on S3, and what a resumed run needs, on this machine.

For array A, ``A.json`` lists its jobs, ``A.id`` has its id once AWS has given one, and ``A.reported`` the indexes of
jobs that are reported or cancelled. On S3, the folder of the run has ``jobs/A-N.json`` and ``results/A-N.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.awsbatch_worker import job_key, result_key
from voxome.errors import NotFound, StoreError, VoxomeError
from voxome.storage.atomic import replacing, storing
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of

_MANIFEST, _ID, _REPORTED = ".json", ".id", ".reported"


@dataclass
class JobArray:
    """An array of jobs, or a single job.

    Attributes
    ----------
    records : path
        Folder on this machine, of all arrays of a run.
    unique : str
        What no other array is called.
    name : str
        Name of the job in AWS Batch.
    queue : str
        Job queue.
    folder : StoragePath
        Folder of the run on S3.
    size : int
        Children that it has in AWS Batch; 1 is a single job.
    jobs : mapping of int to Job
        Jobs that are not reported, by index.
    id : str
        Id in AWS Batch; empty while it is not known whether the array was submitted.
    unsure : bool
        Whether AWS may have taken it without an answer that arrived.
    adopted : bool
        Whether an earlier run has submitted it.
    reported : set of int
        Indexes of the jobs that are reported or cancelled; objects of one array share it.
    """

    records: Path
    unique: str
    name: str
    queue: str
    folder: StoragePath
    size: int
    jobs: dict[int, Job] = field(default_factory=dict)
    id: str = ""
    unsure: bool = False
    adopted: bool = False
    reported: set[int] = field(default_factory=set)

    @classmethod
    def write(cls, records: Path, run: str, queue: str, folder: StoragePath, jobs: Sequence[Job]) -> JobArray:
        """Write the files of an array of jobs.

        Raises
        ------
        AccessDenied, StoreError
            If S3 or the disk fails.
        """
        unique = uuid4().hex[:12]
        array = cls(records, unique, f"{run}-{unique}", queue, folder, len(jobs), dict(enumerate(jobs)))
        texts = {job_key(unique, index): job.to_json() for index, job in array.jobs.items()}
        with map_errors(str(folder), invalid=StoreError):
            for written in [folder.kvstore.write(key, json.dumps(text).encode()) for key, text in texts.items()]:
                result_of(written)
        manifest = {
            "created_s": time.time(),
            "name": array.name,
            "queue": queue,
            "folder": folder.address,
            "jobs": list(texts.values()),
        }
        with replacing(array._file(_MANIFEST)) as partial:
            partial.write_text(json.dumps(manifest), encoding="utf-8")
        return array

    @classmethod
    def read_all(cls, records: Path) -> list[JobArray]:
        """Return the arrays of an interrupted run that have jobs which are not reported, in order of creation."""
        found: list[tuple[float, JobArray]] = []
        for manifest in records.glob(f"*{_MANIFEST}"):
            stored = json.loads(manifest.read_text(encoding="utf-8"))
            jobs = dict(enumerate(map(Job.from_json, stored["jobs"])))
            folder = storage_at(stored["folder"])
            array = cls(records, manifest.stem, stored["name"], stored["queue"], folder, len(jobs), jobs, adopted=True)
            array.id, array.unsure = array._read(_ID), True
            array.reported = {int(line) for line in array._read(_REPORTED).split()}
            array.jobs = {index: job for index, job in jobs.items() if index not in array.reported}
            found.append((stored["created_s"], array))
        return [array for _, array in sorted(found, key=lambda one: one[0])]

    def accept(self, identifier: str) -> None:
        """Keep the id that AWS has given."""
        self.id = identifier
        with storing(self._file(_ID)):
            self._file(_ID).write_text(identifier, encoding="ascii")

    def child(self, index: int) -> str:
        """Return the id of a job in AWS Batch."""
        return f"{self.id}:{index}" if self.size > 1 else self.id

    def read_statuses(self, indexes: Collection[int]) -> dict[int, JobStatus]:
        """Return the statuses that workers have written, of the jobs that have one.

        Raises
        ------
        AccessDenied, StoreError
            If S3 refuses, or fails: then nothing is known.
        """
        chosen = [index for index in indexes if index in self.jobs]
        texts = self.folder.read_all([result_key(self.unique, index) for index in chosen])
        return {index: self._parse(index, text) for index, text in zip(chosen, texts, strict=True) if text is not None}

    def _parse(self, index: int, text: bytes) -> JobStatus:
        job = self.jobs[index]
        try:
            status = JobStatus.from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            return JobStatus(job.id, "lost", error=f"its result is damaged: {error}")
        if status.id != job.id:
            return JobStatus(job.id, "lost", error=f"its result is that of job {status.id}")
        return status

    def forget(self, indexes: Iterable[int]) -> None:
        """Remove the objects of jobs that are reported or cancelled, and the files of the array after its last job."""
        forgotten = list(indexes)
        for index in forgotten:
            self.jobs.pop(index, None)
        self.reported.update(forgotten)
        with suppress(OSError), self._file(_REPORTED).open("a", encoding="ascii") as stream:
            stream.write("".join(f"{index}\n" for index in forgotten))
        keys = [key(self.unique, index) for index in forgotten for key in (job_key, result_key)]
        with suppress(VoxomeError), map_errors(str(self.folder), invalid=StoreError):
            for removed in [self.folder.kvstore.write(key, None) for key in keys]:
                result_of(removed)
        if len(self.reported) == self.size:
            for ending in (_MANIFEST, _ID, _REPORTED):
                self._file(ending).unlink(missing_ok=True)

    def _file(self, ending: str) -> Path:
        return self.records / f"{self.unique}{ending}"

    def _read(self, ending: str) -> str:
        try:
            return self._file(ending).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""


def listed_results(folder: StoragePath) -> Iterator[tuple[str, int]]:
    """Yield array and index of the results in the folder of a run: what is worth reading.

    Raises
    ------
    AccessDenied, StoreError
        If S3 refuses, or fails.
    """
    try:
        for page in (folder / "results").pages():
            for name in page.files:
                array, _, index = name.removesuffix(".json").partition("-")
                if index.isdecimal():
                    yield array, int(index)
    except NotFound:
        return
