"""``voxome profiles``: list configured hosts and tokens, without printing the tokens."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.table import show_table

if TYPE_CHECKING:
    from voxome.config.file import ConfigFile

_VARIABLE = re.compile(r"VOXOME_([A-Z0-9]+)_(?:HOST|TOKEN)")
_LOGIN = re.compile(r"(?<=//)[^/@\s]*@")
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
    for store in sorted({found[1] for name in os.environ if (found := _VARIABLE.fullmatch(name))}):
        host, token = f"VOXOME_{store}_HOST", f"VOXOME_{store}_TOKEN"
        yield {
            "profile": _ENVIRONMENT,
            "in_use": True,
            "store": store.lower(),
            "host": _without_login(os.environ.get(host)),
            "token": bool(os.environ.get(token)),
            "token_env": token if token in os.environ else None,
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
    return host and _LOGIN.sub("", host)


def _cells(row: dict[str, Any]) -> list[str]:
    mark = " (in use)" if row["in_use"] and row["profile"] != _ENVIRONMENT else ""
    variable = f", by {row['token_env']}" if row["token_env"] and row["profile"] != _ENVIRONMENT else ""
    token = ("set" if row["token"] else "not set") + variable
    return [row["profile"] + mark, row["store"], row["host"] or "", token, ", ".join(row["options"])]
