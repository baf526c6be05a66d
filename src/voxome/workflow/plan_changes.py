"""How a plan differs from the one before: which steps run again, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.command_tool import LIMITS
from voxome.contracts.handle import STORE
from voxome.contracts.json_text import json_text

JsonObject = Mapping[str, Any]
_FILES = ("halo", "inputs", "optional", "volumes", "tables", "parameters")
"""Parts of a program that its hint and ports give."""


def same_results(before: JsonObject | None, now: JsonObject) -> bool:
    """Whether a step, as JSON values, has the results of that step in the plan before, at the same place."""
    return before is not None and all(before[what] == now[what] for what in ("name", "key", "published"))


def describe_changes(before: Mapping[str, JsonObject], now: Mapping[str, JsonObject]) -> list[str]:
    """Return sentences for the steps that run again and those that are gone, each with the reasons.

    Parameters
    ----------
    before, now : mapping of str to JSON values
        The steps of both plans, by name.
    """
    producers = {step["key"]: name for name, step in now.items()}
    lines = []
    for name, step in now.items():
        old = before.get(name)
        if old is None:
            lines.append(f"step {name} is new")
        elif not same_results(old, step):
            reasons = list(_reasons(old, step, producers)) or ["its key has changed"]
            lines.append(f"step {name} runs again: {'; '.join(reasons)}")
    return lines + [f"step {name} is gone, and its results are removed" for name in before if name not in now]


def _reasons(old: JsonObject, new: JsonObject, producers: Mapping[str, str]) -> Iterator[str]:
    if old["tool"] != new["tool"]:
        yield _changed("tool", old["tool"], new["tool"])
    if old["version"] != new["version"]:
        yield _changed(f"the version of {new['tool']}", old["version"], new["version"])
    if old.get("program") and new.get("program"):
        yield from _program(old, new)
    elif old["digest"] != new["digest"] and old["tool"] == new["tool"]:
        yield f"the code of {new['tool']} was edited"
    yield from _parameters(old["parameters"], new["parameters"])
    if old["block"] != new["block"]:
        yield _changed("block", _comma(old["block"]), _comma(new["block"]))
    for name in sorted({*old["inputs"], *new["inputs"]}):
        yield from _input(name, old["inputs"].get(name), new["inputs"].get(name), producers)
    yield from _frame(old["frame"] or {}, new["frame"] or {})
    if old["published"] != new["published"]:
        yield "its results are kept under other names"


def _program(old: JsonObject, new: JsonObject) -> Iterator[str]:
    """Yield what differs in a foreign program, whose command line is compared if no parameter has changed."""
    before, now = old["program"], new["program"]
    if before["digest"] != now["digest"]:
        yield f"the {'image' if now['image'] else 'program'} of {new['tool']} was edited or replaced"
    if old["parameters"] == new["parameters"] and _line(before) != _line(now):
        yield f"the command line of {new['tool']} has changed"
    if before["environment"] != now["environment"]:
        yield _changed("environment", before["environment"], now["environment"])
    if any(_text(before[part]) != _text(now[part]) for part in _FILES):
        yield f"the hint voxome:Blocks of {new['tool']} has changed"


def _line(program: JsonObject) -> str:
    return _text({name: value for name, value in (program["line"] or {}).items() if name not in LIMITS})


def _text(value: object) -> str:
    return json_text(value, "a program", sort_keys=True)


def _parameters(old: JsonObject, new: JsonObject) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield _changed(f"parameter {name}", old.get(name), new.get(name))


def _input(name: str, old: JsonObject | None, new: JsonObject | None, producers: Mapping[str, str]) -> Iterator[str]:
    """Yield why an input is another one: its step runs again, its address has changed, or it was replaced."""
    if old is None or new is None:
        yield f"input {name} is {'new' if old is None else 'gone'}"
        return
    if old.get("key") != new.get("key"):
        step = producers.get(new.get("key", "").partition("/")[0])
        if step is not None:
            yield f"its input {name} comes from step {step}"
        elif old["uri"] != new["uri"]:
            yield _changed(f"input {name}", old["uri"], new["uri"])
        else:
            yield f"input {name} ({new['uri']}) was replaced or edited"
    elif old["uri"] != new["uri"] and STORE not in new["uri"]:
        yield _changed(f"input {name}", old["uri"], new["uri"])


def _frame(old: JsonObject, new: JsonObject) -> Iterator[str]:
    for name, word in (("box", "box"), ("voxel_size_nm", "voxel size (nm)"), ("offset_nm", "offset (nm)")):
        if old.get(name) != new.get(name):
            yield _changed(word, _comma(old.get(name)), _comma(new.get(name)))


def _changed(what: str, old: object, new: object) -> str:
    return f"{what} changed from {'unset' if old is None else old} to {'unset' if new is None else new}"


def _comma(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
