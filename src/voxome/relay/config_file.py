"""Configuration files of a relay, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from voxome.contracts.toml_text import read_toml
from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput, UnknownName
from voxome.relay.config import (
    AnnotationsConfig,
    CacheConfig,
    LogConfig,
    RelayConfig,
    SourceConfig,
    StoreConfig,
    TlsConfig,
)
from voxome.relay.limits import Limits


def parse_config(values: dict[str, Any], where: str) -> RelayConfig:
    """Return a configuration of JSON values; `where` names them in messages.

    Raises
    ------
    InvalidInput
        If it has unknown keys or invalid values; the message names all of them.
    """
    try:
        config = RelayConfig.model_validate(values)
    except ValidationError as error:
        raise _refusal(values, where, error) from None
    if twice := sorted(set(config.sources) & set(config.annotations)):
        raise InvalidInput(f"{where}: {', '.join(twice)} names both a volume and annotations; choose another name")
    if config.catalogue is not None and config.catalogue_env is not None:
        raise InvalidInput(f"{where}: both catalogue and catalogue_env are given; leave out one")
    if (config.catalogue is None and config.catalogue_env is None) != (config.data is None):
        raise InvalidInput(f"{where}: catalogue and data need each other; add the missing one, or leave out both")
    channels: dict[str, str] = {}
    for name, source in config.sources.items():
        if source.boss is not None and (other := channels.setdefault(source.boss, name)) != name:
            raise InvalidInput(f"{where}: {other} and {name} are both the channel {source.boss}; change boss of one")
        if source.write == "back" and config.cache.folder is None:
            raise InvalidInput(
                f'{where}: write = "back" of {name} needs a folder for what is written; set cache.folder'
            )
    return config


def check_file(values: dict[str, Any], where: str) -> None:
    """Check the values of a file on their own, before options override some; what is missing, options may add.

    A number or a truth value in quotes is a text, and invalid.

    Raises
    ------
    InvalidInput
        If it has unknown keys or invalid values; the message names all of them.
    """
    try:
        RelayConfig.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        if any(one["type"] != "missing" for one in error.errors()):
            raise _refusal(values, where, error) from None


def read_config(file: Path) -> dict[str, Any]:
    """Return the values in a TOML file, unchecked.

    Raises
    ------
    InvalidInput
        If it cannot be read, or is not TOML.
    """
    try:
        return read_toml(file)
    except OSError as error:
        expected = "expected a configuration file in TOML"
        raise InvalidInput(f"{file} cannot be read: {error.strerror}; {expected}") from error


def _refusal(values: dict[str, Any], where: str, error: ValidationError) -> InvalidInput:
    return InvalidInput(f"{where}: " + "; ".join(_problem(values, one) for one in error.errors()))


def _problem(values: dict[str, Any], error: Any) -> str:
    path = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return str(UnknownName.of("key", path, _known(error["loc"])))
    return f"{path}: {describe_problem(error)}"


def _known(path: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "annotations": AnnotationsConfig,
        "sources": SourceConfig,
        "stores": StoreConfig,
        "cache": CacheConfig,
        "limits": Limits,
        "log": LogConfig,
        "tls": TlsConfig,
    }
    model = models.get(str(path[0]), RelayConfig) if len(path) > 1 else RelayConfig
    prefix = ".".join(map(str, path[:-1]))
    return [f"{prefix}.{name}".lstrip(".") for name in model.model_fields]
