"""Tools that cannot be served chunk by chunk are refused, by name and with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from relay.virtual.tools import installed

from voxome.errors import InvalidInput, PlanError, UnknownName
from voxome.relay.virtual.recipe import Recipe, check_recipe


@pytest.fixture(autouse=True)
def tools() -> Iterator[None]:
    with installed():
        yield


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe("common.union", {}), "whole tables.*`voxome tool common.union`"),
        (Recipe("em.fragments_join", {"": "em"}), "tree of regions"),
        (Recipe("common.meshes", {}), "whole objects"),
        (Recipe("common.region_sums", {"": "em"}), "depends on the blocks"),
        (Recipe("lab.fickle", {"": "em"}), "lab.fickle depends on the blocks.*serve its result"),
        (Recipe("common.statistics", {"": "em"}), "no array"),
        (Recipe("em.network", {"": "em"}, output="membranes"), "needs histogram.*`voxome tool common.statistics`"),
        (Recipe("em.network", {"": "em", "histogram": "h"}), "several outputs.*affinities, membranes"),
        (Recipe("em.network", {"": "em", "histogram": "h"}, output="edges"), "Unknown output 'edges'"),
        (Recipe("common.threshold", {}), "needs image"),
        (Recipe("common.threshold", {"": "em", "mask": "m"}), "Unknown input 'mask'"),
        (Recipe("common.threshold", {"": "em"}, {"att": 1}), "did you mean 'at'"),
        (Recipe("lab.share", {"": "em"}, {"at": 7}, "over"), "0 to 1"),
        (Recipe("lab.share", {"": "em"}, output="over", vary=("size",)), "parameter in vary 'size'"),
    ],
)
def test_what_cannot_be_computed_a_chunk_at_a_time_is_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(PlanError, match=f"(?s)layer edges: .*{message}"):
        check_recipe("edges", recipe)


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'common\.threshold'"):
        check_recipe("edges", Recipe("common.treshold", {"": "em"}))


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(PlanError) as raised:
        check_recipe("edges", Recipe("lab.share", {"x": "em"}, {"y": 1}, "z"))
    assert len(raised.value.problems) == 4


def test_ports_and_defaults_are_filled_in() -> None:
    checked = check_recipe("edges", Recipe("lab.share", {"": "em", "mask": "m"}, {"at": "0.25"}, "over"))
    assert checked.volumes == {"image": "em", "mask": "m"}
    assert checked.parameters == {"at": 0.25, "invert": False, "note": ""}
    assert list(checked.variable) == ["at", "invert"]
    assert isinstance(checked.tool.spec.name, str)
    with pytest.raises(InvalidInput):
        check_recipe("edges", Recipe("lab.share", {}))
