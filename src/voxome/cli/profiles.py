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


def profiles(json: Json = False) -> None:
    """List profiles, their hosts and whether a token is set. Environment variables override profiles."""
    from voxome.config.file import read_config
    from voxome.config.settings import config_path, settings

    file = config_path()
    config = read_config(file)
    used = settings().profile or config.profile
    rows = [*_from_environment(), *_from_file(used, config)]
    if json:
        show_json({"file": str(file), "profile": used, "services": rows})
        return
    unknown = " (not defined)" if config.profiles and used not in config.profiles else ""
    print_stderr(f"{file}{'' if file.exists() else ' (missing)'}; profile in use: {used}{unknown}")
    columns = ["profile", "store", "host", "token", "options"]
    show_table(
        columns, [[row["profile"], row["kind"], row["host"] or "", row["token"], row["options"]] for row in rows]
    )


def _from_environment() -> Iterator[dict[str, Any]]:
    for kind in sorted({found[1] for name in os.environ if (found := _VARIABLE.fullmatch(name))}):
        host, token = (os.environ.get(f"VOXOME_{kind}_{what}") for what in ("HOST", "TOKEN"))
        yield _row("environment", kind.lower(), host, "set" if token else "not set", ())


def _from_file(used: str, config: ConfigFile) -> Iterator[dict[str, Any]]:
    from voxome.config.profiles import read_token

    for name, services in config.profiles.items():
        for kind, entry in services.items():
            variable = f", by {entry.token_env}" if entry.token_env and entry.token is None else ""
            state = ("set" if read_token(entry) else "not set") + variable
            yield _row(f"{name} (in use)" if name == used else name, kind, entry.host, state, entry.options)


def _row(profile: str, kind: str, host: str | None, token: str, options: Any) -> dict[str, Any]:
    shown = host and _LOGIN.sub("", host)
    return {"profile": profile, "kind": kind, "host": shown, "token": token, "options": ", ".join(options)}
