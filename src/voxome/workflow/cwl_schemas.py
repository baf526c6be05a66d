"""Schemas of CWL as JSON in the user's cache: cwltool makes them of YAML, which takes 0.3 s in every process."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import cwltool.process as cwl_process
import platformdirs
from cwltool.update import UPDATES
from schema_salad.avro.schema import Names, make_avsc_object
from schema_salad.ref_resolver import Loader
from schema_salad.schema import make_avro
from schema_salad.utils import convert_to_dict

from voxome.contracts.formats import CWL_SCHEMA
from voxome.errors import UnsupportedFormat
from voxome.records.folder import read_json_or_none, write_json

_ADDRESS = "https://w3id.org/cwl/CommonWorkflowLanguage.yml"
_TYPES = ("https://w3id.org/cwl/salad#Any", "https://w3id.org/cwl/cwl#File", "https://w3id.org/cwl/cwl#Directory")
"""Types that cwltool takes from the schema of `_OF_TYPES`, for every process."""
_OF_TYPES = "v1.0"
_VERSION = re.compile(r"""\bcwlVersion["']?\s*:\s*["']?([\w.-]+)""")


def prepare_schemas(document: str) -> None:
    """Give cwltool the schemas of the versions of CWL that a document names.

    Parameters
    ----------
    document : str
        Its text. Versions that are no releases of CWL are left to cwltool.
    """
    for version in {_OF_TYPES, *_VERSION.findall(document)}.intersection(UPDATES):
        if version in cwl_process.SCHEMA_CACHE or version in cwl_process.custom_schemas:
            continue
        path = _file(version)
        schema = _read(path)
        if schema is None:
            _write(path, *cwl_process.get_schema(version))
        else:
            cwl_process.SCHEMA_CACHE[version] = _schema(**schema)


def _file(version: str) -> Path:
    """Return the file of a schema, which depends on the libraries that have it and read it."""
    libraries = "-".join(version_of(name) for name in ("cwltool", "schema-salad"))
    return Path(platformdirs.user_cache_dir("voxome")) / "cwl" / f"{version}-{libraries}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return what `_write` wrote; None if it is not there, or is of another voxome."""
    with suppress(OSError, UnsupportedFormat):
        data = read_json_or_none(path)
        return None if data is None else CWL_SCHEMA.content(data, path)
    return None


def _schema(
    context: dict[str, Any], avro: list[Any], texts: dict[str, Any], types: dict[str, Any]
) -> tuple[Loader, Names, dict[str, Any], Loader]:
    """Return a schema as cwltool has it; of its last two parts it uses nothing but `_TYPES`."""
    names = Names()
    make_avsc_object(avro, names)
    return Loader(context, cache=texts, doc_cache=False), names, {}, Loader({}, idx=types, doc_cache=False)


def _write(path: Path, loader: Loader, _names: Names, _metadata: object, metaschema: Loader) -> None:
    """Write a schema, if this user has a cache."""
    definitions, _ = metaschema.resolve_ref(_ADDRESS, "")
    data = {
        "context": loader.ctx,
        "avro": convert_to_dict(make_avro(definitions, loader, metaschema.vocab)),
        "texts": loader.cache,
        "types": {name: convert_to_dict(metaschema.idx[name]) for name in _TYPES},
    }
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, CWL_SCHEMA.stamp(data))
