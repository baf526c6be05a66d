"""Dependencies: their ranges, the pins of the lock files, and their licences."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

PERMISSIVE = re.compile(
    r"\b(0BSD|Apache|BSD|CC0|ISC|MIT|MPL|Mozilla Public License|PSF|Python Software Foundation|Unlicense|ZPL)\b"
    r"|Permission is hereby granted, free of charge|Redistribution and use in source and binary forms",
    re.I,
)
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU (Affero |Lesser )?General Public License", re.I)
NAMED = {
    "connected-components-3d": "LGPL; the extras em, services and xrm import it unchanged",
    "edt": "LGPL; the extra services imports it unchanged",
    "crc32c": "LGPL; a dependency of moto, for tests",
    "docutils": "public domain and BSD where it is used; GPL for an editor's plug-in; for tests",
    "fastremap": "LGPL; the extra services imports it unchanged",
    "microviewer": "LGPL; a dependency of cloud-volume, of the extra cloudvolume",
    "zmesh": "LGPL; the extra services imports it unchanged",
}
"""Packages of extras under copyleft licences, with the reason why each is acceptable; voxome distributes none."""


def _pins(file: str) -> dict[str, Version]:
    lines = (ROOT / file).read_text(encoding="utf-8").split()
    return {name: Version(version) for name, _, version in (line.partition("==") for line in lines)}


def _requirements(*groups: str) -> Iterator[Requirement]:
    """Yield the base dependencies and those of the extras `groups`."""
    for text in [*PROJECT["dependencies"], *(text for group in groups for text in EXTRAS[group])]:
        requirement = Requirement(text)
        if requirement.name == "voxome":
            yield from _requirements(*requirement.extras)
        else:
            yield requirement


def _closure(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """Return what `requirements` and their dependencies have installed."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of an extra or a platform that is not installed
            continue
        for needed in map(Requirement, found[name].requires or []):
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return found


def _licence(package: Distribution) -> str:
    """Return the licence that a package states: in its metadata, or else the head of its licence file."""
    metadata = package.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License")]
    stated = [*classifiers, *"".join(metadata.get_all("License") or []).splitlines()[:1]]
    if PERMISSIVE.search(" ".join(stated)) or COPYLEFT.search(" ".join(stated)):
        return "; ".join(stated)
    files = [file for file in package.files or [] if re.search("licen[cs]e|copying", file.name, re.I)]
    return "; ".join([*stated, *(str(file.read_text())[:300] for file in files)])


def _is_permissive(licence: str) -> bool:
    return bool(PERMISSIVE.search(licence)) and not COPYLEFT.search(licence)


@pytest.fixture
def locked() -> None:
    """Skip where other versions than those of the lock file are installed, as by ``make oldest``."""
    if Version(distribution("numpy").version) != _pins("constraints.txt")["numpy"]:
        pytest.skip("other versions than those of constraints.txt are installed")


def test_the_ranges_contain_the_pins() -> None:
    pins = _pins("constraints.txt")
    for requirement in _requirements("dev", "train"):
        pin = pins[canonicalize_name(requirement.name)]
        assert pin in requirement.specifier, f"{requirement} does not allow {pin}, which constraints.txt pins"


def test_the_oldest_pins_are_the_lower_bounds() -> None:
    pins = _pins("constraints-oldest.txt")
    users = sorted(set(EXTRAS) - {"all", "dev", "train"})
    for requirement in _requirements(*users):
        (bound,) = (one.version for one in requirement.specifier if one.operator == ">=")
        pin = pins[canonicalize_name(requirement.name)]
        assert pin == Version(bound), f"{requirement}: constraints-oldest.txt tests {pin}"


@pytest.mark.slow
def test_every_package_is_pinned(locked: None) -> None:
    pins = _pins("constraints.txt")
    installed = _closure(_requirements("dev", "train"))
    assert sorted(set(installed) - set(pins)) == []


@pytest.mark.slow
def test_no_package_has_a_licence_that_binds_users(locked: None) -> None:
    unknown = {}
    for name in _pins("constraints.txt"):
        try:
            licence = _licence(distribution(name))
        except PackageNotFoundError:
            assert not os.environ.get("CI"), f"{name} is pinned but not installed"
            continue
        if name not in NAMED and not _is_permissive(licence):
            unknown[name] = licence
    assert unknown == {}, "neither permissive nor named with a reason"


def test_the_base_installation_has_permissive_licences_only() -> None:
    base = {name: _licence(package) for name, package in _closure(_requirements()).items()}
    assert {name: licence for name, licence in base.items() if not _is_permissive(licence)} == {}
    assert not set(base) & set(NAMED)


@pytest.mark.parametrize(
    ("licence", "permissive"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", False),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later AND MIT", False),
        ("LGPL-2.1-or-later", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_licences_are_told_apart(licence: str, permissive: bool) -> None:
    assert _is_permissive(licence) is permissive
