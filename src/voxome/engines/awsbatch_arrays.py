"""The files of arrays of AWS Batch: jobs and their results on S3, and what a resumed run needs, on this machine.

For array A, ``A.json`` lists its jobs, ``A.id`` has its id once AWS has given one, and ``A.reported`` the places of
jobs that are reported or cancelled. On S3, the folder of the run has ``jobs/A-N-P.json`` and ``results/A-N-P.json`` for
job P of child N.
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
from voxome.engines.job_arrays import JobArray, Place
from voxome.errors import NotFound, StoreError, VoxomeError
from voxome.storage.atomic import replacing, storing
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of

_MANIFEST, _ID, _REPORTED = ".json", ".id", ".reported"


@dataclass(kw_only=True)
class BatchArray(JobArray):
    """An array of jobs, or a single job.

    Attributes
    ----------
    records : path
        Folder on this machine, of all arrays of a run.
    unique : str
        What no other array is called.
    queue : str
        Job queue.
    folder : StoragePath
        Folder of the run on S3.
    sizes : tuple of int
        Jobs of each child; one child is a single job of AWS Batch.
    id : str
        Id in AWS Batch; empty while it is not known whether the array was submitted.
    reported : set of Place
        Places of the jobs that are reported or cancelled; objects of one array share it.
    """

    records: Path
    unique: str
    queue: str
    folder: StoragePath
    sizes: tuple[int, ...]
    id: str = ""
    reported: set[Place] = field(default_factory=set)

    @classmethod
    def write(
        cls, records: Path, run: str, queue: str, folder: StoragePath, groups: Sequence[Sequence[Job]]
    ) -> BatchArray:
        """Write the files of an array whose children perform a group of jobs each.

        Raises
        ------
        AccessDenied, StoreError
            If S3 or the disk fails.
        """
        unique = uuid4().hex[:12]
        array = cls(
            name=f"{run}-{unique}",
            jobs=_by_place(groups),
            records=records,
            unique=unique,
            queue=queue,
            folder=folder,
            sizes=tuple(map(len, groups)),
        )
        texts = {job_key(unique, place): json.dumps(job.to_json()).encode() for place, job in array.jobs.items()}
        with map_errors(str(folder), invalid=StoreError):
            for written in [folder.kvstore.write(key, text) for key, text in texts.items()]:
                result_of(written)
        manifest = {
            "created_s": time.time(),
            "name": array.name,
            "queue": queue,
            "folder": folder.address,
            "jobs": [[job.to_json() for job in group] for group in groups],
        }
        with replacing(array._file(_MANIFEST)) as partial:
            partial.write_text(json.dumps(manifest), encoding="utf-8")
        return array

    @classmethod
    def read_all(cls, records: Path) -> list[BatchArray]:
        """Return the arrays of an interrupted run that have jobs which are not reported, in order of creation."""
        found: list[tuple[float, BatchArray]] = []
        for manifest in records.glob(f"*{_MANIFEST}"):
            stored = json.loads(manifest.read_text(encoding="utf-8"))
            groups = [list(map(Job.from_json, group)) for group in stored["jobs"]]
            array = cls(
                name=stored["name"],
                records=records,
                unique=manifest.stem,
                queue=stored["queue"],
                folder=storage_at(stored["folder"]),
                sizes=tuple(map(len, groups)),
                unsure=True,
                adopted=True,
            )
            array.id = array._read(_ID)
            array.reported = {Place(*map(int, line.split("-"))) for line in array._read(_REPORTED).split()}
            array.jobs = {place: job for place, job in _by_place(groups).items() if place not in array.reported}
            found.append((stored["created_s"], array))
        return [array for _, array in sorted(found, key=lambda one: one[0])]

    @property
    def accepted(self) -> bool:
        """Whether AWS has it, as far as is known."""
        return bool(self.id)

    def accept(self, identifier: str) -> None:
        """Keep the id that AWS has given."""
        self.id = identifier
        with storing(self._file(_ID)):
            self._file(_ID).write_text(identifier, encoding="ascii")

    def child(self, element: int) -> str:
        """Return the id of a child in AWS Batch."""
        return f"{self.id}:{element}" if len(self.sizes) > 1 else self.id

    def read_statuses(self, places: Collection[Place]) -> dict[Place, JobStatus]:
        """Return the statuses that workers have written, of the jobs that have one.

        Raises
        ------
        AccessDenied, StoreError
            If S3 refuses, or fails: then nothing is known.
        """
        chosen = [place for place in places if place in self.jobs]
        texts = self.folder.read_all([result_key(self.unique, place) for place in chosen])
        return {place: self._parse(place, text) for place, text in zip(chosen, texts, strict=True) if text is not None}

    def _parse(self, place: Place, text: bytes) -> JobStatus:
        job = self.jobs[place]
        try:
            status = JobStatus.from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            return JobStatus(job.id, "lost", error=f"its result is damaged: {error}")
        if status.id != job.id:
            return JobStatus(job.id, "lost", error=f"its result is that of job {status.id}")
        return status

    def forget(self, places: Iterable[Place]) -> None:
        """Remove the objects of jobs that are reported or cancelled, and the files of the array after its last job."""
        forgotten = list(places)
        for place in forgotten:
            self.jobs.pop(place, None)
        self.reported.update(forgotten)
        with suppress(OSError), self._file(_REPORTED).open("a", encoding="ascii") as stream:
            stream.write("".join(f"{place}\n" for place in forgotten))
        keys = [key(self.unique, place) for place in forgotten for key in (job_key, result_key)]
        with suppress(VoxomeError), map_errors(str(self.folder), invalid=StoreError):
            for removed in [self.folder.kvstore.write(key, None) for key in keys]:
                result_of(removed)
        if len(self.reported) == sum(self.sizes):
            for ending in (_MANIFEST, _ID, _REPORTED):
                self._file(ending).unlink(missing_ok=True)

    def _file(self, ending: str) -> Path:
        return self.records / f"{self.unique}{ending}"

    def _read(self, ending: str) -> str:
        try:
            return self._file(ending).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""


def _by_place(groups: Sequence[Sequence[Job]]) -> dict[Place, Job]:
    return {Place(element, place): job for element, group in enumerate(groups) for place, job in enumerate(group)}


def listed_results(folder: StoragePath) -> Iterator[tuple[str, Place]]:
    """Yield array and place of the results in the folder of a run: what is worth reading.

    Raises
    ------
    AccessDenied, StoreError
        If S3 refuses, or fails.
    """
    try:
        for page in (folder / "results").pages():
            for name in page.files:
                array, *place = name.removesuffix(".json").split("-")
                if len(place) == 2 and all(one.isdecimal() for one in place):
                    yield array, Place(*map(int, place))
    except NotFound:
        return
