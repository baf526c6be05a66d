"""CWL job files: the inputs of a workflow, as YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from voxome.contracts.ports import HOST_PORTS
from voxome.errors import InvalidInput, NotFound

_FILES = frozenset({"File", "Directory"})


def read_job(path: str | Path) -> dict[str, Any]:
    """Return the inputs in a job file; the paths of its files are relative to it.

    Inputs that voxome sets itself (``store``, ``block``, ``workers``) are left out; so is what starts with ``cwl:`` or
    ``$``.

    Raises
    ------
    NotFound
        If the file does not exist.
    InvalidInput
        If it is not a mapping of input names to values.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    file = Path(path)
    try:
        values = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"{file} does not exist; expected a job file: YAML or JSON with the workflow's inputs") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not a job file of YAML or JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{file} is not a job file: expected the names of inputs and their values, as raw: em.zarr")
    return {
        str(name): _value(value, file.parent)
        for name, value in values.items()
        if name not in HOST_PORTS and not str(name).startswith(("cwl:", "$"))
    }


def _value(value: Any, folder: Path) -> Any:
    if not isinstance(value, Mapping) or value.get("class") not in _FILES:
        return value
    address = str(value.get("location") or value.get("path") or "")
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return address if "://" in address else str(folder / address)
