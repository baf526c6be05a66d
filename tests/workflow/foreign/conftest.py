"""Calls of `run_process`, and small documents."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workflow.conformance import events

from voxome.workflow.foreign.runner import run_process


@dataclass(frozen=True)
class Call:
    """What a call of `run_process` returned and left."""

    status: int
    outputs: Any
    out: Path

    def jobs(self, kind: str) -> list[str]:
        """Return the keys of the events of a kind."""
        return [key for key, _ in events(self.out, kind)]

    def details(self, kind: str) -> list[dict[str, Any]]:
        """Return the details of the events of a kind."""
        return [details for _, details in events(self.out, kind)]


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Call]:
    """Function that runs a document with inputs into a folder below `tmp_path`."""

    def run(document: str | Path, inputs: dict[str, Any] | None = None, out: str = "out", **options: Any) -> Call:
        if isinstance(document, str):
            path = tmp_path / "process.cwl"
            path.write_text(document)
        else:
            path = document
        job = tmp_path / "job.json"
        job.write_text(json.dumps(inputs or {}))
        printed = io.StringIO()
        options = {"engine": "threads", "workers": 2, "quiet": True, **options}
        status = run_process(str(path), [str(job)], out=tmp_path / out, stdout=printed, **options)
        text = printed.getvalue()
        return Call(status, json.loads(text) if text.strip() else None, tmp_path / out)

    return run
