"""``voxome doctor``: what voxome finds on this machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

from voxome.cli.console import Json, show_json, size_text
from voxome.cli.table import show_facts
from voxome.errors import VoxomeError

_PACKAGES = ("numpy", "tensorstore", "zarr", "pyarrow", "numba", "onnxruntime", "cwltool", "torch")
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra == ['\"]([a-z0-9-]+)['\"]")
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "s3",
    "AWS_PROFILE": "s3",
    "GOOGLE_APPLICATION_CREDENTIALS": "gs",
}
"""Variables of the object stores' own, and the stores."""
_FILES = {"~/.aws/credentials": "s3", "~/.config/gcloud/application_default_credentials.json": "gs"}
_DEVELOPERS = frozenset({"dev", "all"})


def doctor(json: Json = False) -> None:
    """Show versions, extras, engines, credentials (names only), disk, memory and limits of this machine."""
    facts = find_facts()
    if json:
        show_json(facts)
    else:
        show_facts(dict(_lines(facts)))


def find_facts() -> dict[str, Any]:
    """Return the facts that ``voxome doctor`` shows, as JSON values without secrets."""
    from voxome.config.machine import available_cpus, available_memory_bytes, cpu_limit, disk_at, memory_limits
    from voxome.registry import plugin_problems, targets

    config, credentials, problems = _configuration()
    return {
        "versions": {"voxome": version("voxome"), "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "extras": _extras(),
        "engines": sorted(targets("voxome.engines")),
        "records": sorted(targets("voxome.records")),
        "config": config,
        "credentials": credentials,
        "cpus": available_cpus(),
        "memory_bytes": available_memory_bytes(),
        "cgroup": {"cpus": cpu_limit(), "memory_bytes": min(memory_limits(), default=None)},
        "disk": asdict(disk_at(Path.cwd())),
        "problems": [*problems, *plugin_problems()],
    }


def _versions() -> dict[str, str | None]:
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _extras() -> dict[str, list[str]]:
    """Return extra → its packages that are missing."""
    extras = metadata("voxome").get_all("Provides-Extra") or ()
    missing: dict[str, list[str]] = {extra: [] for extra in sorted(extras) if extra not in _DEVELOPERS}
    for text in requires("voxome") or ():
        package = _PACKAGE.match(text)
        for extra in _EXTRA.findall(text):
            if package is not None and extra in missing and package[0] != "voxome" and not _version(package[0]):
                missing[extra].append(package[0])
    return missing


def _configuration() -> tuple[dict[str, Any], list[dict[str, str]], list[str]]:
    """Return the configuration, the credentials found (store and source), and what is wrong with it."""
    from voxome.config.profiles import in_use, read_token
    from voxome.config.settings import config_path, settings
    from voxome.config.variables import store_variables, unknown_variables

    file, problems, profile = config_path(), [], None
    credentials = [
        {"store": one.store, "source": one.name} for one in store_variables(os.environ) if one.part == "token"
    ]
    credentials += [{"store": store, "source": name} for name, store in _CREDENTIALS.items() if os.environ.get(name)]
    credentials += [
        {"store": store, "source": name} for name, store in _FILES.items() if Path(name).expanduser().exists()
    ]
    try:
        profile = settings().profile
        stores = in_use()
        credentials += [{"store": store, "source": str(file)} for store, entry in stores.items() if read_token(entry)]
    except VoxomeError as error:
        problems.append(str(error))
    problems += unknown_variables(os.environ)
    if os.environ.get("VOXOME_CONFIG") and not file.exists():
        problems.append(f"VOXOME_CONFIG names {file}, which does not exist; create it, or unset VOXOME_CONFIG")
    return {"file": str(file), "exists": file.exists(), "profile": profile}, credentials, problems


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, number in facts["versions"].items():
        yield name, number or "not installed"
    yield "platform", facts["platform"]
    for extra, missing in facts["extras"].items():
        yield f"extra {extra}", "installed" if not missing else f"missing {', '.join(missing)}: {_install(extra)}"
    yield "engines", ", ".join(facts["engines"])
    yield "records", ", ".join(facts["records"])
    config = facts["config"]
    yield "configuration file", f"{config['file']}{'' if config['exists'] else ' (missing)'}"
    yield "credentials", "; ".join(f"{one['store']} ({one['source']})" for one in facts["credentials"]) or "none found"
    limits = facts["cgroup"]
    yield "cores", str(facts["cpus"]) + ("" if limits["cpus"] is None else f" (cgroup: {limits['cpus']:g})")
    allowed = limits["memory_bytes"]
    yield "memory", size_text(facts["memory_bytes"]) + ("" if allowed is None else f" (cgroup: {size_text(allowed)})")
    disk = facts["disk"]
    yield "disk", f"{size_text(disk['free_bytes'])} free of {size_text(disk['total_bytes'])} at {disk['folder']}"
    yield "problems", "; ".join(facts["problems"]) or "none"


def _install(extra: str) -> str:
    return f"pip install 'voxome[{extra}]'"
