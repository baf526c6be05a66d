"""Record of a run, as ``run.json`` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""A value that JSON can store."""


class BlockCounts(TypedDict):
    """Blocks of a step: all, those that were run, and those that an earlier call had finished."""

    total: int
    run: int
    reused: int


class StepRecord(TypedDict):
    """A step: its tool, version, key and parameters, and what it cost.

    ``wall_s`` are seconds from its start to its end, ``worker_s`` those of all its jobs together, and ``peak_bytes`` is
    the largest memory of a job.
    """

    name: str
    tool: str
    version: str
    key: str
    parameters: dict[str, JsonValue]
    seeds: dict[str, JsonValue]
    blocks: BlockCounts
    wall_s: float
    worker_s: float
    peak_bytes: int


class TransferRecord(TypedDict):
    """A result that was copied into another store.

    ``destination`` is its URI without secrets, ``key`` the version of the result, ``bytes`` the uncompressed size of
    the finest level, ``blocks`` are those of all levels, and ``verified`` is how many were read back and compared.
    """

    output: str
    destination: str
    key: str
    levels: int
    bytes: int
    blocks: BlockCounts
    verified: int
    wall_s: float


class EngineRecord(TypedDict):
    """An engine, its options without secrets, and the steps that it ran."""

    name: str
    workers: int
    options: dict[str, str]
    steps: list[str]


class RunRecord(TypedDict):
    """A finished run.

    ``command`` is the command line without secrets and ``host`` the machine where the run was started,
    ``plan`` is the key of its plan, ``unpinned`` are the inputs whose store does not report changes, ``changes`` says
    what ran again and why, ``outputs`` are paths relative to the store, which is None if it is the run folder,
    ``scores`` are there if there was ground truth: group → name → value, and ``summary`` has the main numbers of the
    report; ``transfers`` are the results that are complete in other stores. A run with commands has ``values``,
    its outputs that are not one file, array or table each; the blocks of commands are their jobs.
    """

    voxome: str
    format_version: int
    workflow: str
    plan: str
    inputs: dict[str, JsonValue]
    unpinned: list[str]
    warnings: list[str]
    changes: list[str]
    versions: dict[str, str]
    engines: list[EngineRecord]
    started_s: float
    wall_s: float
    command: NotRequired[str]
    host: NotRequired[str]
    steps: list[StepRecord]
    outputs: dict[str, str]
    store: str | None
    transfers: list[TransferRecord]
    values: NotRequired[dict[str, JsonValue]]
    scores: NotRequired[Mapping[str, Mapping[str, float]]]
    summary: NotRequired[Mapping[str, int | float | str]]
