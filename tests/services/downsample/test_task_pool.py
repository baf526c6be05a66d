"""Threads for parts of jobs."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from voxome.services.downsample.task_pool import TaskPool


def test_results_come_in_the_order_of_the_tasks() -> None:
    last_began = threading.Event()

    def first() -> int:
        assert last_began.wait(30)
        return 0

    def last() -> int:
        last_began.set()
        return 1

    assert list(TaskPool(2).results([first, last])) == [0, 1]


def test_no_task_is_running_when_another_has_failed() -> None:
    other_runs, ended = threading.Event(), list[int]()

    def fail() -> None:
        assert other_runs.wait(30)
        raise ValueError

    def end() -> None:
        other_runs.set()
        threading.Event().wait(0.1)
        ended.append(1)

    with pytest.raises(ValueError):
        list(TaskPool(2).results([fail, end]))
    assert ended == [1]


def test_tasks_of_one_caller_come_before_those_of_the_next() -> None:
    pool, order = TaskPool(1), list[str]()
    one = pool.results([partial(order.append, "first") for _ in range(20)])
    next(one)
    list(pool.results([partial(order.append, "second")]))
    assert order == ["first"] * 20 + ["second"]
