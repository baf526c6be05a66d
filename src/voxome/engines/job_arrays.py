"""Arrays of jobs: each element is one job of the cluster, which performs jobs of the run one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from voxome.contracts.engine import Job, JobStatus
from voxome.storage.atomic import replacing, storing


class Refusal(Exception):
    """A request to a cluster failed.

    Attributes
    ----------
    temporary : bool
        Whether it may succeed later.
    unsure : bool
        Whether the cluster may have done what was requested.
    limit : bool
        Whether fewer elements may be accepted.
    """

    def __init__(self, message: str, *, temporary: bool = False, unsure: bool = False, limit: bool = False) -> None:
        super().__init__(message)
        self.temporary, self.unsure, self.limit = temporary, unsure, limit


@dataclass(frozen=True, order=True)
class Place:
    """Where a job is: element, and place in it."""

    element: int
    place: int

    def __str__(self) -> str:
        return f"{self.element}-{self.place}"


@dataclass(frozen=True)
class Ending:
    """How an element ended, as the cluster says, whose job left no status.

    Attributes
    ----------
    text : str
        What happened, as a clause.
    error_type : str
        Name of the class of the error if the job has failed; it is lost if empty.
    retryable : bool
        Whether another attempt could succeed.
    """

    text: str
    error_type: str = ""
    retryable: bool = True

    def status(self, job: Job, log: str) -> JobStatus:
        """Return the status of a job, with the address of the log of its element if there is one."""
        error = f"{self.text}; its log is {log}" if log else self.text
        state = JobStatus(job.id, "lost", error=error)
        if not self.error_type:
            return state
        return JobStatus(job.id, "failed", error=error, error_type=self.error_type, retryable=self.retryable)


@dataclass(kw_only=True)
class JobArray(ABC):
    """An array of jobs.

    Attributes
    ----------
    name : str
        Name of its jobs in the cluster, which no other array has.
    jobs : mapping of Place to Job
        Jobs that are not reported.
    unsure : bool
        Whether the cluster may have it, although no answer has confirmed that.
    adopted : bool
        Whether an earlier run has submitted it, or was about to.
    """

    name: str
    jobs: dict[Place, Job] = field(default_factory=dict)
    unsure: bool = False
    adopted: bool = False

    @property
    @abstractmethod
    def accepted(self) -> bool:
        """Whether the cluster has it, as far as is known."""

    @abstractmethod
    def read_statuses(self, places: Collection[Place]) -> dict[Place, JobStatus]:
        """Return the statuses that workers have written, of the jobs that have one.

        Raises
        ------
        AccessDenied, StoreError
            If they cannot be read: then nothing is known.
        """

    @abstractmethod
    def forget(self, places: Iterable[Place]) -> None:
        """Remove the files of jobs that are reported or cancelled, and of the array after its last job."""

    def elements(self) -> dict[int, list[Place]]:
        """Return the places of unreported jobs by element, in the order in which they are performed."""
        found: dict[int, list[Place]] = defaultdict(list)
        for place in sorted(self.jobs):
            found[place.element].append(place)
        return found


def read_run(folder: Path) -> str:
    """Return the beginning of the names of all arrays of a run, which is chosen once.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    path = folder / "run"
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with replacing(path) as partial:
                partial.write_text(f"voxome-{uuid4().hex[:8]}", encoding="ascii")
        return path.read_text(encoding="ascii").strip()
