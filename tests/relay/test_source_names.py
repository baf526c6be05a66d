"""Names of sources, versions and variants."""

from __future__ import annotations

import pytest

from voxome.errors import InvalidInput
from voxome.relay.source_names import base_name, check_source_name, key_in, split_variant, split_version


@pytest.mark.parametrize("name", ["a", "lab/em", "a.zarr", "-", "_/0", "a/b/c.d"])
def test_valid_names_are_accepted(name: str) -> None:
    check_source_name(name)


@pytest.mark.parametrize("name", ["", "a;b=1", "a@1", "a\n", "a/.b", "a//b", "a/"])
def test_names_of_variants_and_versions_are_not_given_to_sources(name: str) -> None:
    with pytest.raises(InvalidInput, match="invalid source name"):
        check_source_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a", ("a", None)), ("a/b@1.2", ("a/b", "1.2")), ("a@", ("a@", None)), ("a@b@c", ("a@b@c", None)),
     ("@1", ("@1", None)), ("a@1/info", ("a@1/info", None))],
)  # fmt: skip
def test_a_version_is_at_the_end_of_a_name(name: str, expected: tuple[str, str | None]) -> None:
    assert split_version(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("a", ("a", None)), ("a;", ("a", "")), ("a/b;c=1;d=2", ("a/b", "c=1;d=2"))]
)
def test_parameters_begin_at_the_first_separator(name: str, expected: tuple[str, str | None]) -> None:
    assert split_variant(name) == expected


@pytest.mark.parametrize("name", ["a/b", "a/b@7", "a/b;c=1", "a/b;c=x@y"])
def test_a_base_name_has_no_version_and_no_parameters(name: str) -> None:
    assert base_name(name) == "a/b"


def test_only_names_below_a_store_have_a_key_in_it() -> None:
    assert key_in("a", "a/b/c") == "b/c"
    assert key_in("a", "ab/c") is None
    assert key_in("a", "a") is None
