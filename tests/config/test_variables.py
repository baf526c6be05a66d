"""Environment variables that look like those of voxome, and are none."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from voxome.config.settings import configure
from voxome.config.values import VARIABLES
from voxome.config.variables import unknown_variables, warn_of_unknown_variables


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("VOXOME_RETIRES", "VOXOME_RETIRES is not a variable of voxome; did you mean 'VOXOME_RETRIES'?"),
        ("VOXOME_PROFIL", "VOXOME_PROFIL is not a variable of voxome; did you mean 'VOXOME_PROFILE'?"),
        ("VOXOME_BOSDB_TOKEN", "VOXOME_BOSDB_TOKEN is not a variable of voxome; did you mean 'VOXOME_BOSSDB_TOKEN'?"),
        ("VOXOME_DIVD_HOST", "VOXOME_DIVD_HOST is not a variable of voxome; did you mean 'VOXOME_DVID_HOST'?"),
        (
            "VOXOME_DVID_ADMN_TOKEN",
            "VOXOME_DVID_ADMN_TOKEN is not a variable of voxome; did you mean 'VOXOME_DVID_ADMIN_TOKEN'?",
        ),
        ("VOXOME_ZZZZ", "VOXOME_ZZZZ is not a variable of voxome; it has no effect"),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest(name: str, sentence: str) -> None:
    assert unknown_variables({name: "1", "PATH": "/bin"}) == [sentence]


@pytest.mark.parametrize(
    "name",
    [
        *VARIABLES.values(),
        "VOXOME_DVID_ADMIN_TOKEN",
        "VOXOME_GS_TOKEN",
        "VOXOME_S3_HOST",
        "VOXOME_LAB_TOKEN",
        "VOXOME_SHARED",
    ],
)
def test_variables_of_voxome_and_of_other_stores_are_known(name: str) -> None:
    assert unknown_variables({name: "1"}) == []


def test_a_misspelt_variable_of_a_plugin_is_named_with_the_nearest(
    register_plugin: Callable[[str, str, str], None],
) -> None:
    register_plugin("voxome.remotes", "labstore", "lab:Remote")
    (sentence,) = unknown_variables({"VOXOME_LABSTOR_TOKEN": "1"})
    assert sentence.endswith("did you mean 'VOXOME_LABSTORE_TOKEN'?")


def test_an_unknown_variable_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VOXOME_RETIRES", "3")
    warn_of_unknown_variables.cache_clear()
    with caplog.at_level(logging.WARNING):
        configure(retries=2)
        configure(retries=None)
    warn_of_unknown_variables.cache_clear()
    assert [record.message for record in caplog.records] == unknown_variables({"VOXOME_RETIRES": "3"})
