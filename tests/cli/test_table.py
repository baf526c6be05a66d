"""Tables on terminals of any width, and piped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.cli.table import show_facts, show_table

COLUMNS = ["dataset", "voxel size (nm)", "bytes", "description"]
ROWS = [
    ["kasthuri2015/em", "30, 6, 6", "12.5 GB", "Somatosensory cortex of an adult mouse, serial sections"],
    ["precomputed://gs://bucket/a/rather/long/path/to/a/volume", "8, 8, 33", "3 B", "Neurons"],
]
WORDS = st.text("abcdefgh/:0123456789", min_size=1, max_size=30)
CELLS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.cli.table.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


def _words(text: str) -> list[str]:
    return sorted(text.replace("─", " ").split())


@pytest.mark.parametrize("on_terminal", [True, False])
def test_control_characters_of_names_are_shown_as_escapes(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("voxome.cli.table.on_terminal", lambda: on_terminal)
    show_table(["uri"], [["a\x1b[31m\x07\u202e\ud800.h5"]])
    show_facts({"uri": "a\x1b]0;b"})
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e", "\ud800"} & set(shown)
    assert r"a\x1b[31m\x07\u202e\ud800.h5" in shown


@pytest.mark.usefixtures("terminal")
def test_a_table_fits_80_columns_and_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, ROWS[:1], title="Datasets")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "30, 6, 6" in shown
    assert "12.5 GB" in shown
    assert _words(shown) == _words(" ".join(["Datasets", *COLUMNS, *ROWS[0]]))


@pytest.mark.usefixtures("terminal")
def test_rows_that_do_not_fit_are_paragraphs(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert f"dataset          {ROWS[1][0]}" in lines
    assert max(map(len, lines)) <= 80


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), width=st.integers(20, 120))
def test_no_word_is_ever_broken(rows: list[tuple[str, str, str]], width: int) -> None:
    from voxome.cli.table import _column_widths, _lines, _paragraphs

    columns = ["name", "of what", "text"]
    widths = _column_widths(columns, rows, width)
    lines = list(_paragraphs(columns, rows, width) if widths is None else _lines(columns, rows, widths))
    heads = columns if widths is not None else columns * len(rows)
    assert _words(" ".join(lines)) == _words(" ".join([*heads, *(cell for row in rows for cell in row)]))
    assert widths is None or max(map(len, lines)) <= width


def test_a_piped_table_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [*ROWS, ["a\tb", None, 7, "two\nlines"]], title="Datasets")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "\t".join(COLUMNS)
    assert [line.split("\t") for line in lines[1:3]] == ROWS
    assert lines[3] == "a b\t\t7\ttwo lines"


def test_piped_facts_are_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"shape": "1, 2, 3", "voxel size (nm)": None})
    assert capsys.readouterr().out == "shape\t1, 2, 3\nvoxel size (nm)\t\n"


@pytest.mark.usefixtures("terminal")
def test_long_facts_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"note": "word " * 30, "uri": "x" * 100})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("      word")
    assert lines[-1] == f"uri   {'x' * 100}"


@pytest.mark.usefixtures("terminal")
def test_a_narrow_terminal_leaves_out_the_least_columns_and_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    columns, row = ["name", "first", "second", "third"], ["a" * 30, "b" * 20, "c" * 20, "d" * 20]
    show_table(columns, [row], least=["third", "first"])
    shown, note = capsys.readouterr()
    assert shown.splitlines()[0].split() == ["name", "first", "second"]
    assert note == "left out, since they do not fit: third; --json has all\n"
    show_table(columns, [["a" * 75, *row[1:]]], least=["third", "first"])
    shown, note = capsys.readouterr()
    assert shown.splitlines()[3].split() == ["third", "d" * 20]
    assert note == ""
