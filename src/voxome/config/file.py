"""The configuration file: profiles of stores, and settings.

It is ``config.toml`` in the user's configuration folder, or the file that ``VOXOME_CONFIG`` names::

    profile = "lab"                                    # the profile in use, unless VOXOME_PROFILE names another

    [settings]
    http_concurrency = 64

    [profiles.lab.bossdb]
    host = "https://api.bossdb.io"
    token_env = "LAB_BOSSDB_TOKEN"                     # or token = "…"

    [profiles.lab.s3]
    host = "http://127.0.0.1:9000"
    options = { anonymous = "true" }
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from voxome.contracts.toml_text import read_toml
from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput, UnknownName


class ProfileEntry(BaseModel):
    """One store of one profile, as written in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    host: str | None = None
    token: SecretStr | None = None
    token_env: str | None = None
    options: dict[str, str] = {}


class ConfigFile(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    profile: str = "default"
    profiles: dict[str, dict[str, ProfileEntry]] = {}
    settings: dict[str, Any] = {}


@cache
def read_config(file: Path) -> ConfigFile:
    """Return the content of `file`; empty if there is no such file.

    Raises
    ------
    InvalidInput
        If the file is not TOML, or contains unknown keys.
    """
    try:
        return ConfigFile.model_validate(read_toml(file))
    except FileNotFoundError:
        return ConfigFile()
    except ValidationError as error:
        raise InvalidInput(f"{file}: {'; '.join(map(_problem, error.errors(include_input=False)))}") from None


def _problem(error: ErrorDetails) -> str:
    """Describe validation errors; for an unknown key, also the closest known one."""
    *within, name = map(str, error["loc"])
    key = ".".join([*within, name])
    if error["type"] != "extra_forbidden":
        return f"{key}: {describe_problem(error)}"
    return f"{key}: {UnknownName.of('key', name, (ProfileEntry if within else ConfigFile).model_fields)}"
