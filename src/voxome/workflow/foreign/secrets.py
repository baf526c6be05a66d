"""Secrets of processes (``cwltool:Secrets``): commands get them, keys have digests of them, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxome.contracts.engine import Engine
from voxome.workflow.secret_digest import secret_digest

_OWN_ENGINES = frozenset({"local", "threads", "sequential"})
"""Engines whose jobs do not leave this machine, and are not written to files."""


def secret_digests(store: Any) -> dict[str, str]:
    """Return the placeholders of secrets → digests that decide keys, which only this user could recompute.

    Parameters
    ----------
    store : cwltool.secrets.SecretStore or None
        The secrets of a process.
    """
    if store is None or not store.secrets:
        return {}
    return {name: secret_digest(value) for name, value in store.secrets.items()}


def secret_files(mapper: Any, store: Any, work: Path) -> Iterator[Path]:
    """Yield the files that are created in a work folder and have secrets, before they are staged.

    Others have paths of a container, at which this machine may have files of its own.
    """
    if mapper is None or store is None:
        return
    for _, entry in mapper.items():
        path = Path(entry.target)
        if entry.type.startswith("Create") and store.has_secret(entry.resolved) and path.is_relative_to(work):
            yield path


def secret_problem(payload: Mapping[str, Any], store: Any, engine: Engine) -> str | None:
    """Return why a job must not be submitted: an engine would write its secrets to a file, or send them elsewhere."""
    if engine.name in _OWN_ENGINES or store is None:
        return None
    command = payload["command"]
    texts = [*command["argv"], *command["variables"].values()]
    if any(secret and secret in text for text in texts for secret in store.secrets.values()):
        return (
            f"it has secrets (cwltool:Secrets), which the engine {engine.name} would write to files or send to other "
            "machines; run it with --engine local"
        )
    return None
