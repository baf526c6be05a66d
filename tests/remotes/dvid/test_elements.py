"""Elements as JSON and as tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
from remotes.dvid.recorded import response_body

from voxome.errors import InvalidInput
from voxome.remotes.dvid.elements import (
    Element,
    Relation,
    element_rows,
    elements_json,
    parse_elements,
    relation_rows,
)

T_BAR = Element(
    (26, 35, 117),
    "PreSyn",
    ("Synapse1",),
    {"conf": "0.93"},
    (Relation("PreSynTo", (16, 105, 113)), Relation("PreSynTo", (32, 127, 41))),
)


def test_a_recorded_list_is_parsed(recorded):
    found = parse_elements(json.loads(response_body(recorded, "/elements/128_128_64/0_0_0")))
    assert T_BAR in found
    assert {element.kind for element in found} == {"PreSyn", "PostSyn", "Note"}
    assert parse_elements(elements_json(found)) == found
    assert parse_elements(json.loads("null")) == []


def test_element_rows_has_one_row_per_element():
    rows = element_rows([T_BAR, Element((1, 2, 3), "Note", properties={"conf": "very"})])
    assert {name: values.tolist() for name, values in rows.items() if name != "confidence"} == {
        "z": [26, 1],
        "y": [35, 2],
        "x": [117, 3],
        "kind": ["PreSyn", "Note"],
        "relations": [2, 0],
    }
    assert rows["confidence"][0] == 0.93
    assert np.isnan(rows["confidence"][1])


def test_relation_rows_has_one_row_per_relation():
    rows = relation_rows([Element((1, 2, 3), "Note"), T_BAR])
    assert rows["z"].tolist() == [26, 26]
    assert rows["relation"].tolist() == ["PreSynTo", "PreSynTo"]
    assert np.column_stack([rows[f"partner_{axis}"] for axis in "zyx"]).tolist() == [[16, 105, 113], [32, 127, 41]]
    assert rows["confidence"].tolist() == [0.93, 0.93]
    for empty in (relation_rows([]), element_rows([]), relation_rows([Element((1, 2, 3), "Note")])):
        assert all(values.shape == (0,) for values in empty.values())


def test_all_problems_are_listed():
    wrong = [
        Element((1, 2, 3), "Tbar"),
        Element((1, 2, 3), "Note", properties={"conf": 0.5}),  # type: ignore[dict-item]
        Element((4, 5, 6), "PreSyn", relations=(Relation("To", (0, 0, 0)),)),
    ]
    with pytest.raises(InvalidInput) as raised:
        elements_json(wrong)
    for message in ("'Tbar'", "'conf' is 0.5", "unknown relation 'To'", "(1, 2, 3): occurs 2 times"):
        assert message in str(raised.value)


@pytest.mark.parametrize("value", [[{"Kind": "Note"}], {"a": 1}, [{"Pos": [1, 2], "Kind": "Note"}], "text"])
def test_anything_but_a_list_of_elements_is_refused(value):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        parse_elements(value)
