"""Annotations against recorded responses of a real server, and on the stand-in server."""

from __future__ import annotations

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import Element, Relation

pytestmark = pytest.mark.slow

PRE = Element(
    (26, 35, 117),
    "PreSyn",
    ("Synapse1",),
    {"conf": "0.93"},
    (Relation("PreSynTo", (16, 105, 113)), Relation("PreSynTo", (32, 127, 41))),
)
POST = Element((16, 105, 113), "PostSyn", ("Synapse1",), {"conf": "0.71"}, (Relation("PostSynTo", (26, 35, 117)),))
WEAK = Element((32, 127, 41), "PostSyn", ("Synapse1", "weak"), {}, (Relation("PostSynTo", (26, 35, 117)),))
NOTE = Element((36, 125, 16), "Note", (), {"text": "a note"})


def _sorted(elements):
    return sorted(elements, key=lambda element: element.position)


def test_recorded_responses_are_parsed(recorded_node):
    synapses = AnnotationInstance(recorded_node, "synapses")
    everything = _sorted([PRE, POST, WEAK, NOTE])
    assert _sorted(synapses.within(Box((0, 0, 0), (64, 128, 128)))) == everything
    assert _sorted(synapses.all()) == everything
    assert synapses.within(Box((14, 103, 111), (24, 113, 121))) == [POST]
    assert synapses.within(Box.of_shape((10, 10, 10), (5000, 5000, 5000))) == []
    assert synapses.within(Box.of_shape((0, 10, 10))) == []
    assert _sorted(synapses.by_tag("Synapse1")) == _sorted([PRE, POST, WEAK])
    assert synapses.by_tag("nosuch", relations=False) == []
    assert synapses.by_label(1004) == [PRE]
    assert [element.relations for element in synapses.by_label(1004, relations=False)] == [()]
    assert synapses.by_label(99999999, relations=False) == []
    synapses.post([PRE, POST, WEAK, NOTE])


def test_elements_are_written_moved_and_deleted(node, create_instance):
    create_instance("annotation", "notes")
    notes = AnnotationInstance(node, "notes")
    assert notes.all() == []
    notes.post([PRE, POST, WEAK, NOTE])
    assert _sorted(notes.all()) == _sorted([PRE, POST, WEAK, NOTE])
    notes.move(NOTE.position, (-36, -125, -17))
    assert notes.within(Box((-50, -130, -20), (0, 0, 0))) == [Element((-36, -125, -17), "Note", (), {"text": "a note"})]
    notes.move(POST.position, (16, 105, 114))
    notes.delete(WEAK.position)
    assert notes.by_tag("weak") == []
    (pre,) = notes.within(Box.of_shape((1, 1, 1), PRE.position))
    assert pre.relations == (Relation("PreSynTo", (16, 105, 114)),)
    for edit in (notes.delete, lambda position: notes.move(position, (1, 2, 3))):
        with pytest.raises(NotFound, match=r"no element at \(32, 127, 41\) \(z, y, x\) in notes"):
            edit(WEAK.position)


def test_nothing_is_written_if_one_element_is_invalid(node, create_instance):
    create_instance("annotation", "notes")
    notes = AnnotationInstance(node, "notes")
    with pytest.raises(InvalidInput, match="'Tbar'"):
        notes.post([NOTE, Element((1, 2, 3), "Tbar")])
    assert notes.all() == []


def test_bookmarks_are_found_by_user(node, create_instance):
    create_instance("annotation", "bookmark_annotations")
    bookmarks = AnnotationInstance(node, "bookmark_annotations")
    bookmark = Element((1, 2, 3), "Note", ("user:ana",), {"comment": "look"})
    bookmarks.post([bookmark, NOTE])
    assert bookmarks.bookmarks("ana") == [bookmark]
    assert bookmarks.bookmarks("bo") == []
