"""Whether a process has expressions that need Node.js, and whether it is there; their evaluation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cwl_utils.errors import JavascriptException
from cwl_utils.expression import scanner
from cwl_utils.sandboxjs import NodeJSEngine, param_re
from cwltool.errors import UnsupportedRequirement

_PROGRAMS = ("nodejs", "node")
"""Programs with which cwltool evaluates expressions; it would also pull an image of Node.js with docker."""
EXPRESSION_S = 60.0
"""Most seconds that the evaluation of an expression may take."""
_SHOWN = 200
"""Characters of an expression that a message shows."""
_TEXTS = frozenset({"doc", "label", "id", "expressionLib", "intent"})


class Evaluator(NodeJSEngine):
    """Node.js as cwltool calls it, whose time limit is named where it is exceeded."""

    def eval(self, scan: str, *arguments: Any, **options: Any) -> Any:
        """Return the value of an expression; raises JavascriptException."""
        options["timeout"] = timeout = EXPRESSION_S
        began = time.monotonic()
        try:
            return super().eval(scan, *arguments, **options)
        except JavascriptException as error:
            if time.monotonic() - began < timeout:
                raise
            text = scan if len(scan) <= _SHOWN else f"{scan[:_SHOWN]}…"
            raise JavascriptException(f"The expression {text} has no value within {timeout:g} s; correct it") from error


EVALUATOR = Evaluator()
"""That of this process: it keeps Node.js running between expressions."""


def has_javascript() -> bool:
    """Return whether cwltool finds a program that evaluates expressions."""
    return any(shutil.which(name) for name in _PROGRAMS)


def require_javascript(process: Any) -> None:
    """Check before a run that its expressions can be evaluated.

    Parameters
    ----------
    process : cwltool.process.Process
        What is to run.

    Raises
    ------
    UnsupportedRequirement
        If it has an expression in JavaScript, and Node.js is missing.
    """
    problem = javascript_problem(process)
    if problem is not None:
        raise UnsupportedRequirement(problem)


def javascript_problem(process: Any) -> str | None:
    """Return why the expressions of a process cannot be evaluated; None if they can."""
    if has_javascript():
        return None
    documents: list[Mapping[str, Any]] = []
    process.visit(documents.append)
    allowed = any(
        one["class"] == "InlineJavascriptRequirement"
        for document in documents
        for one in (*document.get("requirements", ()), *document.get("hints", ()))
    )
    found = next((one for document in documents for one in _expressions(document)), None) if allowed else None
    if found is None:
        return None
    return (
        f"The expression {found} needs JavaScript, and Node.js is missing: there is no program node or nodejs; install "
        "it, or use parameter references only"
    )


def _expressions(value: Any) -> Iterator[str]:
    """Yield the expressions in a document that are no parameter references."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name not in _TEXTS:
                yield from _expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from _expressions(one)
    elif isinstance(value, str):
        rest = value
        while (where := scanner(rest)) is not None:
            text = rest[where[0] : where[1]]
            rest = rest[where[1] :]
            if text.startswith("${") or (text.startswith("$(") and not param_re.match(text[1:])):
                yield text
