"""``voxome serve``: serve volumes over HTTP."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, show_json
from voxome.cli.values import parse_count, parse_whole
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput

if TYPE_CHECKING:
    from voxome.relay.config import RelayConfig

_CONFIG = ".toml"
_TOOL = "tool:"
"""Before the name of the tool of a virtual layer."""


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG.toml | [NAME=]URI… | NAME=tool:TOOL?source=NAME&PARAMETER=VALUE…",
            help="A configuration file, volumes that everybody may read, or both. What a tool computes from a volume "
            "is a volume too: edges=tool:common.threshold?source=em.",
            autocompletion=uris,
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[
        Any, typer.Option(parser=parse_whole, metavar="N", help="Port; any free one if 0, by default 8090.")
    ] = None,
    workers: Annotated[Any, typer.Option(parser=parse_count, metavar="N", help="Number of processes.")] = None,
    annotations: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]URI", help="Precomputed annotations that everybody may read. Repeatable."),
    ] = None,
    writable: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Volume that admins may also write. Repeatable.")
    ] = None,
    dialect: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="API to serve, such as boss; by default all. Repeatable.")
    ] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="SQLite file or PostgreSQL database of users, projects and permissions; by default in memory.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for volumes that clients create; by default in memory.")
    ] = None,
    admin_token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with the admin's token; by default no admin."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Web pages that may read; * for all. Repeatable.")
    ] = None,
    largest_cutout_mib: Annotated[
        Any, typer.Option(parser=parse_count, metavar="N", help="Limit of one request's voxels, uncompressed.")
    ] = None,
    compute_threads: Annotated[
        Any, typer.Option(parser=parse_count, metavar="N", help="Chunks that tools compute at the same time.")
    ] = None,
    compute_memory_mib: Annotated[
        Any, typer.Option(parser=parse_count, metavar="N", help="Memory of these, together; by default 4096.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of the cache on disk.")] = None,
    cache_memory_mib: Annotated[
        Any, typer.Option(parser=parse_whole, metavar="N", help="Size of the cache in memory; by default 512.")
    ] = None,
    cache_disk_mib: Annotated[
        Any, typer.Option(parser=parse_whole, metavar="N", help="Size of the cache on disk; by default 10240.")
    ] = None,
    access_log: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Log of all requests; - is standard output. By default none.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate, in PEM format.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Key of the certificate.")] = None,
    json: Json = False,
) -> None:
    """Serve volumes over HTTP, with a cache, until interrupted."""
    from voxome.relay.workers import serve as serve_relay

    options = {
        "host": host, "port": port, "workers": workers, "dialects": dialect, "catalogue": catalogue, "data": data,
        "admin_token_env": admin_token_env, "allow_origins": allow_origin, "largest_cutout_mib": largest_cutout_mib,
        "compute_threads": compute_threads, "compute_memory_mib": compute_memory_mib,
        "cache": {"folder": cache, "memory_mib": cache_memory_mib, "disk_mib": cache_disk_mib},
        "log": {"access": access_log},
        "tls": {"certificate": tls_certificate, "key": tls_key},
    }  # fmt: skip
    if annotations:
        options["annotations"] = {name: {"uri": uri} for name, uri in map(split_name, annotations)}
    config = build_config(sources or [], writable or [], options)
    file = next((Path(text) for text in sources or [] if text.endswith(_CONFIG)), None)
    serve_relay(config, started=lambda url: _announce(url, config, json=json), file=file)


def build_config(arguments: list[str], writable: list[str], options: dict[str, Any]) -> RelayConfig:
    """Return the configuration that a command line describes; options override those of the file.

    Raises
    ------
    InvalidInput
        If it is invalid, a name is used twice, or a writable name is that of no source.
    """
    from voxome.relay.config_file import check_file, parse_config, read_config

    files = [Path(text) for text in arguments if text.endswith(_CONFIG)]
    if len(files) > 1:
        raise InvalidInput(f"there are {len(files)} configuration files; give one")
    values = read_config(files[0]) if files else {}
    if files:
        check_file(values, str(files[0]))
    named = [split_name(text) for text in arguments if not text.endswith(_CONFIG)]
    configured = values.get("sources", {})
    for name, uri in named:
        if not isinstance(configured, dict) or name in configured:
            raise InvalidInput(f"two volumes would be served as {name}; name one, as in other={uri}")
        configured = {**configured, name: parse_layer(uri) if uri.startswith(_TOOL) else {"uri": uri}}
    for name in writable:
        if name not in configured:
            raise InvalidInput(
                f"--writable {name}: no volume is served under this name; names: {', '.join(configured)}"
            )
        configured = {**configured, name: {**configured[name], "writers": ["admin"]}}
    merged = {**values, **({"sources": configured} if configured else {})}
    return parse_config(_override(merged, options), str(files[0]) if files else "voxome serve")


def parse_layer(text: str) -> dict[str, Any]:
    """Return the configuration of a virtual layer that is written ``tool:TOOL?NAME=VALUE&…``.

    ``source``, ``uri`` and ``output`` are as in the configuration file; an input of the tool is the name of a source or
    an address; everything else is a parameter. ``&`` and ``%`` in values are escaped, as ``%26`` and ``%25``.

    Examples
    --------
    >>> parse_layer("tool:common.threshold?source=em&at=100")
    {'tool': 'common.threshold', 'source': 'em', 'parameters': {'at': 100}}
    """
    from voxome.relay.virtual.recipe import find_tool
    from voxome.workflow.run_tool import graph_of

    name, _, query = text.removeprefix(_TOOL).partition("?")
    spec = find_tool(name).spec
    ports, graph = spec.ports, graph_of(spec).inputs
    layer: dict[str, Any] = {"tool": name}
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option in ("source", "uri", "output"):
            layer[option] = value
        elif ports.get(option) in spec.inputs:
            layer.setdefault("inputs", {})[ports[option]] = value
        else:
            read = graph[option].read if option in graph else str
            layer.setdefault("parameters", {})[ports.get(option, option)] = read(value)
    return layer


def split_name(text: str) -> tuple[str, str]:
    """Return the name under which a volume is served, and its URI.

    Examples
    --------
    >>> split_name("lab/em=zarr:///data/a.zarr"), split_name("precomputed://https://host/image layer/")
    (('lab/em', 'zarr:///data/a.zarr'), ('image-layer', 'precomputed://https://host/image layer/'))
    """
    named = re.fullmatch(r"([A-Za-z0-9_./-]+)=(.+)", text)
    if named is not None:
        return named[1], named[2]
    if text.startswith(_TOOL):
        raise InvalidInput(f"{text} needs a name; give one, as in edges={text}")
    last = Uri.parse(text).path.rstrip("/|:").rpartition("/")[2]
    stem = re.sub(r"(\.(zarr|n5|h5|hdf5|npy|nii|gz|zip|tif|tiff))+$", "", last)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.")
    if not name:
        raise InvalidInput(f"{text} suggests no name; give one, as in em={text}")
    return name, text


def _override(values: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the values with those options that are given; tables are merged."""
    merged = dict(values)
    for name, value in options.items():
        if isinstance(value, dict):
            inner = merged.get(name, {})
            changed = _override(inner, value) if isinstance(inner, dict) else inner
            if changed or name in merged:
                merged[name] = changed
        elif value is not None and value != []:
            merged[name] = value
    return merged


def _announce(url: str, config: RelayConfig, *, json: bool) -> None:
    if json:
        show_json({"url": url, "sources": list(config.sources), "annotations": list(config.annotations)})
        sys.stdout.flush()
    else:
        names = [*config.sources, *config.annotations, *config.stores]
        typer.echo("\n".join([f"Serving at {url}", *(f"  {name}" for name in names or ["no volumes yet"])]))
