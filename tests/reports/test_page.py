from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from voxome.reports.colours import neuron_colour
from voxome.reports.data import Edge, ReportData, Slice, StepCost, edges_of
from voxome.reports.graph import MAX_EDGES
from voxome.reports.page import TOP_EDGES, render_report
from voxome.reports.pictures import MAX_SIDE, grey_picture, label_picture

LABELS = np.array([[0, 1, 1], [2**63, 2, 2]], np.uint64)
GREY = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)
DATA = ReportData(
    title="A <b>run</b> & more",
    run={"input": "zarr://a&b"},
    totals={"neurons": "3"},
    slices=[
        Slice("z = 4", GREY, GREY, LABELS, synapses=np.array([[0.5, 2.5]]), width_nm=300.0),
        Slice("z = 5", raw=GREY),
    ],
    volumes_um3=[0.002, 0.03, 1.5],
    edges=[Edge(1, 2, True, 3, 0.25), Edge(2, 1, False, 1, 0.5), Edge(1, 1, True, 1, 0.5)],
    scores={"graph": {"f1": 0.96666, "true_positives": 12345}},
    steps=[StepCost("membranes", 18, 12, 6, 75.2, 612_000_000), StepCost("graph", 1, 1, 0, 0.5, 1_300_000_000)],
)
VOID = {"meta", "img", "link", "br"}


class Outline(HTMLParser):
    """Checks that tags close in order; keeps text and attributes."""

    def __init__(self, page):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def decode(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_the_page_is_well_formed_and_escaped():
    outline = Outline(render_report(DATA))
    assert ("b", {}) not in outline.tags
    for text in (
        "50 nm",
        "Sizes of neurons",
        "higher, best 1",
        "A <b>run</b> & more",
        "zarr://a&b",
        "0.9667",
        "true positives",
        "12,345",
        "1 min 15 s",
        "1.30 GB",
        "0.250",
    ):
        assert text in outline.text


def test_the_page_refers_to_no_other_file():
    page = render_report(DATA)
    tags = Outline(page).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    assert all(attrs["src"].startswith("data:") for tag, attrs in tags if tag == "img")
    assert not re.search(r"https?://|@import", page)


def test_pictures_show_the_arrays():
    images = [decode(attrs["src"]) for tag, attrs in Outline(render_report(DATA)).tags if tag == "img"]
    assert len(images) == 4
    np.testing.assert_array_equal(images[0], GREY)
    page = render_report(DATA)
    assert page.count('<b class="scale"') == 3
    assert page.count('<svg class="marks"') == 2
    assert '<circle cx="2.5" cy="0.5"' in page
    np.testing.assert_array_equal(decode(grey_picture(GREY * 2.0)), np.rint(GREY / 250 * 255))
    coloured = decode(label_picture(LABELS))
    assert coloured[0, 0].tolist() == [0, 0, 0]
    assert tuple(coloured[1, 0]) == neuron_colour(2**63)
    assert decode(label_picture(LABELS, GREY))[0, 0].tolist() == [0, 0, 0]
    assert len({neuron_colour(i) for i in range(1, 1000)}) > 980


def test_what_is_not_a_number_is_black() -> None:
    holes = np.where(GREY > 100, GREY * 1.0, np.nan)
    holes[0, 0] = np.inf
    picture = decode(grey_picture(holes))
    assert (picture[~np.isfinite(holes)] == 0).all()
    assert picture.max() == 255
    assert (decode(grey_picture(np.full((4, 5), np.nan))) == 0).all()


def test_large_pictures_are_subsampled():
    assert decode(grey_picture(np.zeros((MAX_SIDE * 2, 10), np.uint8))).shape == (MAX_SIDE, 5)


@pytest.mark.parametrize("count", [5, MAX_EDGES + 30])
def test_the_graph_shows_the_strongest_connections(count):
    edges = [Edge(i, i + 1, i % 2 == 0, i, 0.1) for i in range(1, count + 1)]
    page = render_report(replace(DATA, edges=edges))
    shown = min(count, MAX_EDGES)
    assert page.count('class="edge"') == shown
    assert page.count("<title>neuron ") == shown + 1
    assert page.count('class="swatch"') == 2 * min(count, TOP_EDGES)
    assert (f"The {MAX_EDGES} strongest of {count}" in page) == (count > MAX_EDGES)
    assert render_report(replace(DATA, edges=edges[::-1])) == page


def test_empty_parts_are_left_out():
    text = Outline(render_report(ReportData("nothing"))).text
    assert "Scores" not in text
    assert "Connectome" not in text
    assert "Scores" in Outline(render_report(DATA)).text


def test_edges_are_read_from_a_table():
    table = {
        "pre_id": np.array([2**62], np.uint64),
        "post_id": np.array([1], np.uint64),
        "directed": np.array([True]),
        "synapses": np.array([4]),
        "area_um2": np.array([0.5]),
    }
    assert edges_of(table) == [Edge(2**62, 1, True, 4, 0.5)]
