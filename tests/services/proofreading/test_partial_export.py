"""Exports of what has changed: which version the destination has, and what an interrupted one leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, WrongCall
from voxome.services.proofreading import export
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]


@pytest.fixture
def session(open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose version 0 is in ``out.zarr``, with two levels."""
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    session = open_session()
    session.export(f"zarr://{tmp_path}/out.zarr", levels=2, chunk=(4, 4, 4))
    return session


def interrupt(session: Session, out: Path, since: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export what has changed, but for the coarser levels."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export, "_update_levels", stop)
        with pytest.raises(KeyboardInterrupt):
            session.export(out, since=since)


def require_same(session: Session, out: Path, whole: Path) -> None:
    session.export(f"zarr://{whole}", levels=2, chunk=(4, 4, 4))
    for level in range(2):
        assert np.array_equal(voxome.open(out, level=level)[...], voxome.open(whole, level=level)[...])


@pytest.mark.slow
def test_an_interrupted_export_is_not_finished_until_it_is_repeated(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zarr"
    session.merge([1, 2, 3, 4])
    interrupt(session, out, 0, monkeypatch)
    with pytest.raises(InvalidInput, match="is not finished: the export into its box"):
        voxome.transfer(out, f"zarr://{tmp_path}/copy.zarr")
    assert session.export(out, since=0) == 0
    require_same(session, out, tmp_path / "whole.zarr")
    voxome.transfer(out, f"zarr://{tmp_path}/copy.zarr")


@pytest.mark.slow
def test_what_an_interrupted_export_has_written_is_compared_although_it_was_undone(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zarr"
    session.merge([1, 2, 3, 4])
    interrupt(session, out, 0, monkeypatch)
    session.undo()
    assert session.export(out, since=0) > 0
    require_same(session, out, tmp_path / "whole.zarr")


@pytest.mark.slow
def test_a_destination_of_another_version_is_refused_and_stays_as_it_is(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    session.merge([1, 2])
    session.merge([3, 4])
    before = voxome.open(out)[...]
    with pytest.raises(InvalidInput, match="has version 0 of the segments, not version 1"):
        session.export(out, since=1)
    assert np.array_equal(voxome.open(out)[...], before)
    assert session.export(out, since=0) > 0
    with pytest.raises(InvalidInput, match="has version 2 of the segments, not version 0"):
        session.export(out, since=0, version=1)


@pytest.mark.slow
def test_a_destination_may_go_back_to_a_version_and_forth_again(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    session.merge([1, 2])
    for since, version in ((0, 1), (1, 0), (0, 1), (1, 0)):
        session.export(out, since=since, version=version)
        assert np.array_equal(voxome.open(out)[...], voxome.open(session.reveal_uri(version))[...])


def test_an_interrupted_transfer_is_completed_first(session: Session, tmp_path: Path) -> None:
    out = f"zarr://{tmp_path}/new.zarr"

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.export(out, progress=stop)
    with pytest.raises(InvalidInput, match="the transfer into its box"):
        session.export(out, since=0)


def test_a_data_type_that_is_too_small_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    labels = np.repeat(np.array([1, 2**33], np.uint64), 2).reshape(4, 1, 1)
    voxome.put(labels, f"zarr://{tmp_path}/labels.zarr")
    with voxome.proofread(f"zarr://{tmp_path}/labels.zarr", tmp_path / "edits.sqlite") as session:
        with pytest.raises(InvalidInput, match=f"segment {2**33} does not fit into uint32"):
            session.export(f"zarr://{tmp_path}/copy.zarr", dtype="uint32")
        assert not list(tmp_path.glob("*copy*"))
        with pytest.raises(InvalidInput, match="Unknown dtype 'foo'"):
            session.export(f"zarr://{tmp_path}/copy.zarr", dtype="foo")
        with pytest.raises(WrongCall, match=r"Unknown argument 'foo' of export\(\)") as error:
            session.export(f"zarr://{tmp_path}/copy.zarr", foo=1)
        assert " src" not in str(error.value)
        session.export(f"zarr://{tmp_path}/copy.zarr")
    assert (voxome.open(f"{tmp_path}/copy.zarr", expect=voxome.Volume)[...] == labels).all()
