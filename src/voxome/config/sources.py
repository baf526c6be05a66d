"""Settings read from Python, the environment and the configuration file, and validated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import ValidationError, create_model, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from voxome.config.failures import parse_failures
from voxome.config.file import read_config
from voxome.config.values import PREFIX, VARIABLES, Settings, config_file
from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput, UnknownName


class _Sources(BaseSettings):
    """Settings by name, then the environment, then the configuration file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid")

    @field_validator("max_failures", mode="before", check_fields=False)
    @classmethod
    def _check_failures(cls, given: object) -> object:
        text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
        if isinstance(text, str):
            parse_failures(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        file = read_config(config_file(init_settings().get("config")))
        return init_settings, env_settings, InitSettingsSource(settings_cls, file.settings)


_TYPES = get_type_hints(Settings, include_extras=True)
_FIELDS: dict[str, Any] = {one.name: (_TYPES[one.name], one.default) for one in fields(Settings)}
_MODEL = create_model("Settings", __base__=_Sources, **_FIELDS)


def read_settings(overrides: Mapping[str, Any]) -> tuple[Settings, frozenset[str]]:
    """Return the settings, and the names of those that are set somewhere.

    Parameters
    ----------
    overrides : mapping
        Name → value that overrides the environment and the file.

    Raises
    ------
    InvalidInput
        With every value that is invalid, and where it was set.
    """
    try:
        read = _MODEL(**overrides)
    except ValidationError as error:
        problems = "; ".join(_problem(one, overrides) for one in error.errors())
        raise InvalidInput(f"Invalid settings: {problems}") from None
    return Settings(**dict(read)), frozenset(read.model_fields_set)


def _problem(error: ErrorDetails, overrides: Mapping[str, Any]) -> str:
    name, file = str(error["loc"][0]), config_file(overrides.get("config"))
    if error["type"] == "extra_forbidden":
        source = "" if name in overrides else f"{file}: "
        return f"{source}{UnknownName.of('setting', name, VARIABLES)}"
    if name in overrides:
        source = name
    elif os.environ.get(VARIABLES[name]):
        source = VARIABLES[name]
    else:
        source = f"{name} in {file}"
    return f"{source} is {error['input']!r}: {describe_problem(error)}"
