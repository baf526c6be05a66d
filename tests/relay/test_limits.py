"""Limits in the configuration of a relay."""

from __future__ import annotations

import resource

import pytest

from voxome.errors import InvalidInput
from voxome.relay.config_file import parse_config
from voxome.relay.connections import Guard, allow_files
from voxome.relay.limits import Limits


def test_limits_are_read_from_the_configuration() -> None:
    config = parse_config({"limits": {"header_s": 5, "requests_per_s": 100}}, "relay.toml")
    assert config.limits == Limits(header_s=5, requests_per_s=100)
    assert config.limits.has_rates
    assert not parse_config({}, "relay.toml").limits.has_rates


def test_wrong_limits_are_explained() -> None:
    with pytest.raises(InvalidInput, match=r"limits\.idle_s: expected more than 0"):
        parse_config({"limits": {"idle_s": 0}}, "relay.toml")
    with pytest.raises(InvalidInput, match=r"did you mean 'limits\.header_s'"):
        parse_config({"limits": {"headers_s": 5}}, "relay.toml")


def test_processes_share_the_connections() -> None:
    guard = Guard(Limits(connections=10, connections_per_address=4), share=4)
    assert [guard.crowd("10.0.0.1", count) > 1 for count in (3, 4)] == [False, True]
    guard.open["10.0.0.1"] = 5
    assert guard.crowd("10.0.0.1", 1) > 1
    assert guard.crowd("10.0.0.2", 1) < 1


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(1024, 1_048_576, 4048), (1024, resource.RLIM_INFINITY, 4048), (1024, 3000, 3000), (65_536, 65_536, None)],
)
def test_a_process_may_open_as_many_files_as_it_has_connections(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, expected: int | None
) -> None:
    changed: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda limit, values: changed.append(values))
    allow_files(2000)
    assert changed == ([] if expected is None else [(expected, hard)])
