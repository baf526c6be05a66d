"""Other parameters of a virtual layer, in its name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from relay.cache.caches import open_cache
from relay.serving import stored
from relay.virtual.tools import installed

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe
from voxome.relay.virtual.upstream import MOST_VARIANTS, VirtualUpstream
from voxome.testing.strategies import noise

DATA = noise((20, 30, 40), "uint8")
WHOLE = Box.of_shape(DATA.shape)


@pytest.fixture
def sources() -> Iterator[Sources]:
    with installed():
        sources = Sources(open_cache())
        sources.add("em", stored(DATA))
        sources.add_virtual("over", Recipe("common.threshold", {"": "em"}, {"at": 100}))
        sources.add_virtual("share", Recipe("lab.share", {"": "em"}, output="over"))
        sources.add_virtual("fixed", Recipe("lab.share", {"": "em"}, output="over", vary=()))
        yield sources


def layer(sources: Sources, name: str) -> VirtualUpstream:
    entry = sources.find(name)
    assert isinstance(entry, VirtualUpstream)
    return entry


@pytest.mark.parametrize("at", [0, 42, 3.5, 254.5])
def test_a_variant_is_computed_with_its_parameters(sources: Sources, at: float) -> None:
    assert f"over;at={at}" in sources
    assert ((sources.read(f"over;at={at}", WHOLE) > 0) == (at < DATA)).all()
    assert ((sources.read("over", WHOLE) > 0) == (DATA > 100)).all()


def test_all_spellings_of_a_value_are_one_variant(sources: Sources) -> None:
    names = ["share;at=0.25;invert=true", "share;invert=True;at=.250", "share;at=25e-2;invert=true"]
    assert len({layer(sources, name).identity for name in names}) == 1
    assert layer(sources, "share;at=0.5") is layer(sources, "share")


@pytest.mark.parametrize(
    "changes",
    [
        "", "at", "at=", "at=x", "at=nan", "at=inf", "at=2", "at=-0.1", "at=0.1;at=0.2", "At=0.1", "at=0.1;", ";at=0.1",
        "invert=7", "note=x", "image=other", "at=" + "9" * 600, "at=0.5,0.6", "at=1e400", "at={}", "at=0.1&b=2",
    ],
)  # fmt: skip
def test_a_bad_value_is_the_callers_error(sources: Sources, changes: str) -> None:
    with pytest.raises(InvalidInput):
        sources.check_name(f"share;{changes}")


def test_a_parameter_that_is_text_or_not_named_stays(sources: Sources) -> None:
    with pytest.raises(InvalidInput, match="'note'"):
        sources.check_name("share;note=passwd")
    with pytest.raises(InvalidInput, match="'at'"):
        sources.check_name("fixed;at=0.1")
    assert list(sources) == ["em", "fixed", "over", "share"]


def test_a_stored_source_and_a_file_of_a_variant_have_no_variants(sources: Sources) -> None:
    for name in ("em;at=1", "none;at=1", "over;at=1/0", "over;at=1/info"):
        assert name not in sources
        with pytest.raises(NotFound):
            sources.rights(name)


def test_the_number_of_variants_is_bounded_and_those_dropped_come_back(sources: Sources) -> None:
    for at in range(MOST_VARIANTS + 5):
        assert ((sources.read(f"over;at={at}", WHOLE) > 0) == (at < DATA)).all()
    assert len(layer(sources, "over")._variants) == MOST_VARIANTS
    before = layer(sources, "over").counters["misses"]
    assert ((sources.read("over;at=0", WHOLE) > 0) == (DATA > 0)).all()
    assert layer(sources, "over").counters["misses"] == before


def test_a_value_for_which_the_layer_cannot_be_computed_is_the_callers_error(sources: Sources) -> None:
    sources._slots.memory_bytes = 157_000_000
    sources.add_virtual("smooth", Recipe("lab.smooth", {"": "em"}, {"radius": 1}))
    assert sources.spec("smooth").dtype == np.uint8
    sources._slots.memory_bytes = 156_100_000
    with pytest.raises(InvalidInput, match="choose others"):
        sources.check_name("smooth;radius=15")
