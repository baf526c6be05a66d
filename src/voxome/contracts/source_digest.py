"""Digest of the source code of a tool: of its module and of the modules that this imports from its package.

Imports are found by parsing, also those inside functions. Comments and docstrings do not count. Imports of computed
names are not found.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import CodeType
from typing import Any

UNPINNED = "unpinned"
"""The digest of a function that has neither source nor bytecode."""
_IGNORED_FIELDS = frozenset({"ctx", "type_comment"})
_OWN = ("voxome.tools", "voxome.models")
"""Packages of voxome that decide the results of its tools; the others run them."""


def source_digest(function: Callable[..., Any]) -> str:
    """Return the digest of the source of `function`'s module and, transitively, of what it imports from its package.

    The package is the top-level one that the function is defined in; for voxome's tools, ``voxome.tools`` and
    ``voxome.models``.

    Returns
    -------
    str
        24 hexadecimal digits; of the bytecode if there is no source, `UNPINNED` if there is neither.
    """
    module = sys.modules.get(function.__module__)
    path = Path(getattr(module, "__file__", None) or "")
    if path.suffix != ".py" or not path.is_file():
        code = getattr(function, "__code__", None)
        return UNPINNED if code is None else _hash(repr(list(_bytecode(code))))
    name = function.__module__
    roots = _OWN if name.startswith("voxome.") else (name.partition(".")[0],)
    return _hash("\n".join(f"{name} {text}" for name, text in sorted(_closure(name, path, roots).items())))


def _closure(name: str, path: Path, roots: tuple[str, ...]) -> dict[str, str]:
    """Return the digests of the module `name` and of everything that it imports below `roots`, by name."""
    found: dict[str, str] = {}
    waiting = [(name, path)]
    while waiting:
        name, path = waiting.pop()
        if name in found:
            continue
        status = path.stat()
        found[name], imports = _parsed(path, name, status.st_mtime_ns, status.st_size)
        for imported in imports:
            if imported not in found and any(imported == root or imported.startswith(root + ".") for root in roots):
                file = _file_of(imported)
                if file is not None:
                    waiting.append((imported, file))
    return found


@cache
def _parsed(path: Path, name: str, _mtime_ns: int, _size: int) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a file and the names that it imports; cached until the file changes."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return hashlib.sha256(content).hexdigest(), ()
    tree = ast.parse(content)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports = tuple(dict.fromkeys(_imports(tree, package)))
    parts: list[str] = []
    _dump(tree, parts)
    return _hash("".join(parts)), imports


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield every module that may be imported: for ``from a import b``, ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _file_of(name: str) -> Path | None:
    """Return the file of a module, found in its package without importing it; None if it has none."""
    top, *rest = name.split(".")
    module = sys.modules.get(top)
    if module is None:
        return None
    if not rest:
        file = getattr(module, "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    for folder in getattr(module, "__path__", ()):
        base = Path(folder, *rest)
        files = [base / "__init__.py", *(base.with_name(base.name + end) for end in (".py", *EXTENSION_SUFFIXES))]
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            return file
    return None


def _dump(node: object, parts: list[str]) -> None:
    """Append a syntax tree as text, without positions, docstrings and empty fields: the same for any Python version."""
    if isinstance(node, ast.AST):
        parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name in _IGNORED_FIELDS:
                continue
            parts.append(name)
            _dump(_without_docstring(value) if name == "body" and isinstance(value, list) else value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for one in node:
            _dump(one, parts)
        parts.append("]")
    else:
        parts.append(f"={node!r},")


def _without_docstring(body: list[Any]) -> list[Any]:
    """Return the statements of a body without docstrings, those of attributes included."""
    return [
        one
        for one in body
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str))
    ]


def _bytecode(code: CodeType) -> Iterator[object]:
    yield code.co_code
    yield code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _bytecode(constant)
        else:
            yield constant


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
