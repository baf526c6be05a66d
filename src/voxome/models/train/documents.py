"""Configurations of trainings: TOML files, with values that the command line sets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from voxome.contracts.toml_text import read_toml
from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput, NotFound, suggest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_LONGEST_NAME = 200
"""Bytes of a name, to which a suffix comes, and while it is written a few letters."""


class Config(BaseModel):
    """Base of all configurations: unknown keys, and numbers that are not finite, are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _check_file_name(value: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", value):
        raise ValueError(
            f"{value!r} is no file name; use letters, digits, '-', '.' and '_', not '-' or '.' at the start"
        )
    if len(value.encode()) > _LONGEST_NAME:
        raise ValueError(f"a name of {len(value.encode())} bytes is too long for a file; use at most {_LONGEST_NAME}")
    return value


FileName = Annotated[str, AfterValidator(_check_file_name)]
"""Name of a model, which its files have, too."""

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def read_config(path: Path, kind: type[AnyConfig], values: Iterable[str] = ()) -> AnyConfig:
    """Return the configuration in a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    kind : class
        The configuration's class.
    values : iterable of str
        ``key=value`` in place of values of the file, as ``network.units=2``; the value as in TOML, or else text.

    Raises
    ------
    NotFound, InvalidInput
        If the file does not exist, or is not TOML, or has unknown keys or wrong values.
    """
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise NotFound(f"The configuration {path} does not exist; docs/training.md has one to start from") from error
    for text in values:
        _set(document, text)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(_describe(one, kind) for one in error.errors())
        raise InvalidInput(f"{path}: {problems}") from error


def _describe(error: ErrorDetails, kind: type[BaseModel]) -> str:
    """Return the key and what is wrong with it."""
    *tables, last = error["loc"] or ("",)
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        problem = f"unknown key{suggest(last, _keys(kind, tables)).replace(';', ',')}"
    else:
        problem = describe_problem(error)
    return f"{key}: {problem}" if key else problem


def _keys(kind: type[BaseModel], tables: Iterable[int | str]) -> Iterable[str]:
    """Return the keys of a table inside a configuration; none if it is of no one class."""
    for name in tables:
        if isinstance(name, int):
            continue
        annotation = kind.model_fields[name].annotation if name in kind.model_fields else None
        classes = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        inner = [one for one in classes if issubclass(one, BaseModel)]
        if len(inner) != 1:
            return ()
        (kind,) = inner
    return kind.model_fields


def _set(document: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    *tables, last = key.split(".")
    if not equals or not all((*tables, last)):
        raise InvalidInput(f"--set {text}: expected key=value, such as network.units=2")
    for name in tables:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise InvalidInput(f"--set {text}: {name!r} is not a table; write it in the file")
    document[last] = _parse(value)


def _parse(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value
