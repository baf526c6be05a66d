"""Verbs that are imported when they are needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from voxome.cli.main import app, main
from voxome.cli.verbs import VERBS

CODE = """
import json, sys
from voxome.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(json.dumps([name for name in sys.modules if name.startswith("voxome.cli.")]), file=sys.stderr)
"""


@pytest.mark.slow
def test_the_help_begins_as_that_of_each_verb() -> None:
    group = typer.main.get_command(app)
    assert list(group.commands) == list(VERBS)  # type: ignore[attr-defined]
    for name, verb in VERBS.items():
        command = group.commands[name]  # type: ignore[attr-defined]
        assert command.name == name
        assert " ".join(command.help.split()).startswith(verb.help), name
        assert verb.help.endswith("."), name


@pytest.mark.parametrize(("words", "imported"), [(["--help"], set()), (["rm", "--help"], {"rm"})])
def test_only_the_verb_that_runs_is_imported(words: list[str], imported: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    modules = {name.removeprefix("voxome.cli.") for name in json.loads(done.stderr)}
    verbs = {verb.target.partition(":")[0] for verb in VERBS.values()}
    assert modules & verbs == imported


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("contacts", "No such command 'contacts'; `voxome regions LABELS --out FILE --contacts FILE` writes contacts"),
        ("synapses", "No such command 'synapses'; voxome.synapses(…) does it in Python"),
        ("bounding-box", "No such command 'bounding-box'; voxome.bounding_box(…) does it in Python"),
    ],
)
def test_a_word_that_is_no_verb_gets_the_advice_what_does_it(
    word: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([word])
    assert stop.value.code == 2
    assert advice in capsys.readouterr().err
