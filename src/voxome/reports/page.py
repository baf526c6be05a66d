"""The report as a self-contained HTML page: no script, no other file, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources

from voxome.reports.colours import Colour, distinct_colours, neuron_colour
from voxome.reports.data import Edge, ReportData, Slice, StepCost
from voxome.reports.graph import MAX_EDGES, graph_drawing, strongest
from voxome.reports.marks import NEAR_NM, length_text, scale_bar, synapse_marks
from voxome.reports.pictures import grey_picture, label_picture
from voxome.reports.scales import SCALES, score_name, score_text
from voxome.reports.sizes import size_histogram, size_rows

TOP_EDGES = 15
"""Number of connections listed beside the graph."""


def render_report(data: ReportData) -> str:
    """Render the report of a run as HTML.

    Parameters
    ----------
    data : ReportData
        Content; empty parts are left out.

    Returns
    -------
    str
        HTML document, to be written as UTF-8.
    """
    colours = distinct_colours(one.neurons for one in data.slices if one.neurons is not None)
    parts = [
        total_tiles(data.totals),
        _viewer(data.view, data.link),
        section("Slices", _slices(data.slices, colours)),
        section("Connectome", _connectome(data.edges, colours)),
        section("Sizes of neurons", _sizes(data.volumes_um3)),
        section("Scores against the truth", score_card(data.scores)),
        section("Time and memory", cost_card(data.steps)),
        section("Run", fact_card(data.run)),
    ]
    return html_document(data.title, data.subtitle, parts)


def html_document(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """Return a page with a headline; empty parts are left out."""
    style = resources.files("voxome.reports").joinpath("report.css").read_text(encoding="utf-8")
    note = f'<p class="note">{escape(subtitle)}</p>' if subtitle else ""
    body = [f"<h1>{escape(title)}</h1>", note, *parts]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n<footer>Made by voxome.</footer>\n</body></html>\n"
    )


def section(title: str, content: str) -> str:
    """Return a section with a heading; nothing without content."""
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>" if content else ""


def total_tiles(totals: Mapping[str, str]) -> str:
    """Return the main numbers of a run."""
    tiles = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in totals.items())
    return f'<dl class="totals">{tiles}</dl>' if tiles else ""


def _viewer(command: str, link: str | None) -> str:
    """Say how the run is shown in Neuroglancer."""
    if not command:
        return ""
    web = "" if link is None else f', or its volumes at <a href="{escape(link)}">this link</a>'
    return f'<p class="note">In Neuroglancer, with meshes and synapses: <code>{escape(command)}</code>{web}.</p>'


def fact_card(facts: Mapping[str, str]) -> str:
    """Return facts about a run."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f'<div class="card"><dl class="facts">{rows}</dl></div>' if rows else ""


def _slices(slices: Sequence[Slice], colours: Mapping[int, Colour]) -> str:
    if not slices:
        return ""
    rings = any(one.synapses is not None and len(one.synapses) for one in slices)
    near = f"Rings are synapses at most {length_text(NEAR_NM)} from the plane. Neighbours have different colours."
    note = f'<p class="note">{near}</p>' if rings else ""
    return f'<div class="slices">{"".join(_slice(one, colours) for one in slices)}</div>{note}'


def _slice(plane: Slice, colours: Mapping[int, Colour]) -> str:
    pictures = {}
    if plane.raw is not None:
        pictures["raw"] = grey_picture(plane.raw)
    if plane.membranes is not None:
        pictures["membranes"] = grey_picture(plane.membranes)
    if plane.neurons is not None:
        pictures["neurons"] = label_picture(plane.neurons, plane.raw, colours)
    caption, bar = escape(plane.caption), "" if plane.width_nm is None else scale_bar(plane.width_nm)
    images = "".join(
        f'<div><span>{name}</span><div><img src="{uri}" alt="{name}, {caption}">{_marks(plane, name)}{bar}</div></div>'
        for name, uri in pictures.items()
    )
    return f'<figure><div class="row">{images}</div><figcaption>{caption}</figcaption></figure>'


def _marks(plane: Slice, picture: str) -> str:
    shown = getattr(plane, picture)
    return "" if plane.synapses is None or picture == "membranes" else synapse_marks(plane.synapses, shown.shape)


def _sizes(volumes_um3: Sequence[float]) -> str:
    table = _table(("", "volume, µm³"), size_rows(volumes_um3), numeric=(1,))
    return pair(size_histogram(volumes_um3), table) if len(volumes_um3) else ""


def pair(first: str, second: str) -> str:
    """Return two cards side by side."""
    return f'<div class="pair"><div class="card">{first}</div><div class="card">{second}</div></div>'


def _connectome(edges: Sequence[Edge], colours: Mapping[int, Colour]) -> str:
    if not edges:
        return ""
    rows = [
        (
            _neuron(e.pre_id, colours),
            "→" if e.directed else "–",
            _neuron(e.post_id, colours),
            f"{e.synapses:,}",
            f"{e.area_um2:.3f}",
        )
        for e in strongest(edges, TOP_EDGES)
    ]
    table = _table(("pre", "", "post", "synapses", "area, µm²"), rows, numeric=(3, 4))
    shown = f"{len(edges):,}" if len(edges) <= MAX_EDGES else f"The {MAX_EDGES} strongest of {len(edges):,}"
    note = (
        f"{shown} connections. An arrow points to the postsynaptic neuron; a line without one is a synapse of unknown "
        "direction. Wider means more synapses; colours are those of the slices."
    )
    return f'{pair(graph_drawing(edges, colours), table)}<p class="note">{note}</p>'


def _neuron(neuron: int, colours: Mapping[int, Colour]) -> str:
    red, green, blue = colours.get(neuron) or neuron_colour(neuron)
    return f'<i class="swatch" style="background:rgb({red} {green} {blue})"></i>{neuron}'


def score_card(scores: Mapping[str, Mapping[str, float]] | None) -> str:
    """Return scores by group, with unit and direction."""
    rows = [
        (
            "" if number else escape(group.replace("_", " ")),
            escape(score_name(name)),
            score_text(name, value),
            *SCALES.get(name, ("", "")),
        )
        for group, values in (scores or {}).items()
        for number, (name, value) in enumerate(values.items())
    ]
    heads = ("", "score", "value", "unit", "better")
    return f'<div class="card">{_table(heads, rows, numeric=(2,))}</div>' if rows else ""


def cost_card(steps: Sequence[StepCost]) -> str:
    """Return blocks, time and memory of the steps."""
    if not steps:
        return ""
    longest = max(max(s.seconds for s in steps), 1e-9)
    rows = [
        (
            escape(s.name),
            *(f"{n:,}" for n in (s.total, s.run, s.reused)),
            _duration(s.seconds),
            f'<i style="width:{100 * s.seconds / longest:.1f}%"></i>',
            _size(s.peak_bytes),
        )
        for s in steps
    ]
    total = ("all", *(f"{sum(getattr(s, k) for s in steps):,}" for k in ("total", "run", "reused")))
    last = (*total, _duration(sum(s.seconds for s in steps)), "", _size(max(s.peak_bytes for s in steps)))
    heads = ("step", "blocks", "run", "reused", "time", "", "peak memory")
    return f'<div class="card">{_table(heads, [*rows, last], numeric=(1, 2, 3, 4, 6), bar=5, with_sum=True)}</div>'


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[int],
    bar: int | None = None,
    with_sum: bool = False,
) -> str:
    classes = ["n" if i in numeric else "bar" if i == bar else "" for i in range(len(heads))]
    marks = [f' class="{name_}"' if name_ else "" for name_ in classes]
    head = "".join(f"<th{mark}>{escape(name)}</th>" for name, mark in zip(heads, marks, strict=True))
    body = ["".join(f"<td{m}>{cell}</td>" for cell, m in zip(row, marks, strict=True)) for row in rows]
    tags = ["<tr>"] * len(body)
    if with_sum:
        tags[-1] = '<tr class="sum">'
    lines = "".join(f"{tag}{row}</tr>" for tag, row in zip(tags, body, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
