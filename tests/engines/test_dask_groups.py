"""Groups of short jobs."""

from __future__ import annotations

import pytest

from voxome.contracts.engine import Job, JobStatus, Resources
from voxome.engines.dask_groups import GROUP_S, MAX_GROUP, JobGroups


def jobs(count: int, phase: str = "key/0", resources: Resources | None = None) -> list[Job]:
    return [Job(f"{phase}/{number}", "probe", {}, resources or Resources()) for number in range(count)]


def done(*names: str) -> list[JobStatus]:
    return [JobStatus(name, "done") for name in names]


def measured(seconds: float, phase: str = "key/0") -> JobGroups:
    """Return groups where one job of a phase took some seconds."""
    groups = JobGroups()
    groups.note([f"{phase}/0"], done(f"{phase}/0"), seconds)
    return groups


def sizes(groups: JobGroups, tasks: int = 1) -> list[int]:
    found = []
    while groups:
        found.append(len(groups.pop(tasks)))
    return found


def test_jobs_that_were_never_measured_are_alone() -> None:
    groups = JobGroups()
    groups.append(jobs(3))
    assert sizes(groups) == [1, 1, 1]


@pytest.mark.parametrize(
    ("seconds", "size"), [(2 * GROUP_S, 1), (GROUP_S / 4, 4), (GROUP_S / MAX_GROUP / 10, MAX_GROUP)]
)
def test_the_jobs_of_a_group_take_a_limited_time(seconds: float, size: int) -> None:
    groups = measured(seconds)
    groups.append(jobs(2 * MAX_GROUP))
    assert sizes(groups)[0] == size


def test_waiting_jobs_are_shared_by_the_tasks_that_may_start() -> None:
    groups = measured(GROUP_S / 100)
    groups.append(jobs(8))
    assert len(groups.pop(4)) == 2


def test_a_group_has_jobs_of_one_phase_with_the_same_needs() -> None:
    groups = measured(GROUP_S / 100)
    groups.append([*jobs(3), *jobs(2, resources=Resources(cpus=2)), *jobs(2, "key/1")])
    assert sizes(groups) == [3, 2, 1, 1]


def test_a_job_that_becomes_slow_is_soon_alone() -> None:
    groups = measured(GROUP_S / 100)
    groups.note(["key/0/1"], done("key/0/1"), GROUP_S)
    groups.append(jobs(3))
    assert sizes(groups) == [1, 1, 1]


def test_jobs_that_were_lost_together_are_alone_until_they_end() -> None:
    groups = measured(GROUP_S / 100)
    waiting = jobs(4)
    lost = [JobStatus(job.id, "lost") for job in waiting[:2]]
    groups.note([job.id for job in waiting[:2]], lost, 0.0)
    groups.append(waiting)
    assert sizes(groups) == [1, 1, 2]
    groups.note([waiting[0].id], done(waiting[0].id), GROUP_S / 100)
    groups.append(waiting)
    assert sizes(groups) == [1, 1, 2]  # the second one has not ended
    groups.note([waiting[1].id], done(waiting[1].id), GROUP_S / 100)
    groups.append(waiting)
    assert sizes(groups) == [4]


def test_jobs_that_were_not_started_are_the_next_in_order() -> None:
    groups = JobGroups()
    first, second, third = jobs(3)
    groups.append([third])
    groups.put_back([first, second])
    assert [groups.pop(1)[0].id for _ in range(3)] == [first.id, second.id, third.id]


def test_cancelled_jobs_are_removed() -> None:
    groups = JobGroups()
    groups.append(jobs(3))
    groups.remove(["key/0/1", "unknown"])
    assert len(groups) == 2
    groups.clear()
    assert not groups
