from __future__ import annotations

from itertools import count

import pytest

from voxome.errors import NotFound
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.view import kept_states
from voxome.relay.dialects.view.kept_states import SharedState, StateText, find_state, keep_state

BASE = "http://relay/"


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> MemoryCatalogue:
    monkeypatch.setattr(kept_states, "MOST_STATES", 4)
    monkeypatch.setattr(kept_states, "MOST_OF_ADDRESS", 2)
    times = count(1.0)
    monkeypatch.setattr("time.time", lambda: next(times))
    return MemoryCatalogue()


def keep(catalogue: MemoryCatalogue, title: str, owner: str = "", address: str = "") -> str:
    return keep_state(catalogue, {"layers": [], "title": title}, BASE, owner, address)


def is_kept(catalogue: MemoryCatalogue, id: str) -> bool:
    try:
        find_state(catalogue, id, BASE, lambda url: True)
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("owner", ["ann", ""])
def test_a_state_that_is_shared_again_is_not_the_oldest(catalogue: MemoryCatalogue, owner: str) -> None:
    first, second = (keep(catalogue, title, owner, title) for title in ("first", "second"))
    for title in ("third", "fourth"):
        keep(catalogue, title, owner, title)
    assert keep(catalogue, "first", owner, "elsewhere") == first
    keep(catalogue, "fifth", owner, "fifth")
    assert (is_kept(catalogue, first), is_kept(catalogue, second)) == (True, False)
    assert len(catalogue.find(StateText)) == 4


def test_visitors_of_one_address_push_out_no_states_of_others(catalogue: MemoryCatalogue) -> None:
    mine, of_ann = keep(catalogue, "mine", address="10.0.0.1"), keep(catalogue, "of ann", "ann", "10.0.0.2")
    many = [keep(catalogue, str(number), address="10.0.0.2") for number in range(20)]
    assert is_kept(catalogue, mine)
    assert is_kept(catalogue, of_ann)
    assert [one for one in many if is_kept(catalogue, one)] == many[-2:]


def test_a_state_shared_again_by_a_user_is_theirs_for_good(catalogue: MemoryCatalogue) -> None:
    id = keep(catalogue, "same", address="10.0.0.1")
    for owner in ("ann", "bob", ""):
        assert keep(catalogue, "same", owner, "10.0.0.1") == id
    assert [(one.owner, one.address) for one in catalogue.find(SharedState)] == [("ann", "")]
    for number in range(20):
        keep(catalogue, str(number), address="10.0.0.1")
    assert is_kept(catalogue, id)
