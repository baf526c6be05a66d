"""``voxome profiles``: list configured hosts and tokens, without printing the tokens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.table import show_table
from voxome.redaction import redact

if TYPE_CHECKING:
    from voxome.config.file import ConfigFile

_ENVIRONMENT = "environment"
"""Stands for a profile in rows of environment variables, which override profiles."""


def profiles(json: Json = False) -> None:
    """List profiles, their hosts and whether a token is set. Environment variables override profiles."""
    from voxome.config.file import read_config
    from voxome.config.settings import config_path, settings

    file = config_path()
    config = read_config(file)
    used = settings().profile or config.profile
    rows = [*_from_environment(), *_from_file(used, config)]
    if json:
        show_json({"file": str(file), "exists": file.exists(), "profile": used, "stores": rows})
        return
    unknown = " (not defined)" if config.profiles and used not in config.profiles else ""
    print_stderr(f"{file}{'' if file.exists() else ' (missing)'}; profile in use: {used}{unknown}")
    show_table(["profile", "store", "host", "token", "options"], map(_cells, rows))


def _from_environment() -> Iterator[dict[str, Any]]:
    from voxome.config.variables import store_variables

    variables = {(one.store, one.part): one.name for one in store_variables(os.environ)}
    for store in sorted({store for store, _ in variables}):
        token = variables.get((store, "token"))
        yield {
            "profile": _ENVIRONMENT,
            "in_use": True,
            "store": store,
            "host": _without_login(os.environ.get(variables.get((store, "host"), ""))),
            "token": token is not None,
            "token_env": token,
            "options": [],
        }


def _from_file(used: str, config: ConfigFile) -> Iterator[dict[str, Any]]:
    from voxome.config.profiles import read_token

    for name, stores in config.profiles.items():
        for store, entry in stores.items():
            yield {
                "profile": name,
                "in_use": name == used,
                "store": store,
                "host": _without_login(entry.host),
                "token": bool(read_token(entry)),
                "token_env": entry.token_env if entry.token is None else None,
                "options": list(entry.options),
            }


def _without_login(host: str | None) -> str | None:
    """Return a host without user and password, with or without a scheme, and without tokens of its query."""
    return host and redact(host if "://" in host else host.rpartition("@")[2])


def _cells(row: dict[str, Any]) -> list[str]:
    mark = " (in use)" if row["in_use"] and row["profile"] != _ENVIRONMENT else ""
    variable = f", by {row['token_env']}" if row["token_env"] and row["profile"] != _ENVIRONMENT else ""
    token = ("set" if row["token"] else "not set") + variable
    return [row["profile"] + mark, row["store"], row["host"] or "", token, ", ".join(row["options"])]
