"""Errors for optional packages that are missing."""

from __future__ import annotations

import pytest

from voxome.errors import MissingExtra
from voxome.extras import require


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtra, match=r"^The package no_such is not installed; .* pip install .voxome\[some\]"):
        require("some", "json", "no_such")


def test_all_missing_packages_are_named() -> None:
    with pytest.raises(MissingExtra, match=r"^The packages no_such, no_such\.either are not installed"):
        require("some", "no_such", "no_such.either")


def test_installed_packages_are_accepted() -> None:
    require("some", "json", "xml.dom")
