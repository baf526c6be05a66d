"""The OpenAPI document of the API, written from its operations, and a page for people."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from voxome import __version__
from voxome.relay.dialects.api.models import Problem
from voxome.relay.dialects.api.operations import Operation

_REFERENCE = "#/components/schemas/{model}"
_PROBLEMS = {
    "400": "A parameter is missing or wrong.", "401": "The token is missing, unknown or expired.",
    "403": "The caller may not read the source.", "404": "There is no such source, level or segment.",
    "413": "The answer would be too large.", "429": "Too many requests; repeat after the time in Retry-After.",
    "503": "The store of the source fails; repeat after the time in Retry-After.",
    "508": "The source leads back to this relay.",
}  # fmt: skip
_OF_FILES = {
    "206": "A range of the bytes.", "304": "The client has it already.", "412": "It is another version.",
    "416": "The range is outside.",
}  # fmt: skip


def build_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document, version 3.1, of some operations."""
    answers: list[type[BaseModel]] = [Problem]
    answers += [one.answer for one in operations if not isinstance(one.answer, Mapping)]
    _, schemas = models_json_schema([(one, "serialization") for one in answers], ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "voxome relay", "version": __version__,
            "description": "Volumes, their voxels and their segments. Ids of segments are decimal strings.",
        },
        "servers": [{"url": "../"}],
        "paths": {one.path: {"get": _operation(one)} for one in operations},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }  # fmt: skip


def build_page(document: Mapping[str, Any]) -> str:
    """Return a page that lists the operations of an OpenAPI document, without scripts."""
    rows = []
    for path, methods in document["paths"].items():
        operation = methods["get"]
        parameters = "".join(
            f"<li><code>{html.escape(one['name'])}</code>{'' if one['required'] else ' (optional)'}: "
            f"{html.escape(one.get('description', ''))}</li>"
            for one in operation["parameters"]
        )
        rows.append(f"<h2><code>GET {path}</code></h2><p>{html.escape(operation['summary'])}</p><ul>{parameters}</ul>")
    title = html.escape(document["info"]["title"])
    style = "body{font:16px sans-serif;max-width:44em;margin:2em auto;padding:0 1em}h2{font-size:1em;margin-top:2em}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
        f"<h1>{title}</h1><p>{html.escape(document['info']['description'])} "
        f'The whole description: <a href="api/openapi.json">openapi.json</a>.</p>{"".join(rows)}</html>'
    )


def _operation(one: Operation) -> dict[str, Any]:
    is_file = isinstance(one.answer, Mapping)
    problems = _PROBLEMS | (_OF_FILES if is_file else {"304": _OF_FILES["304"], "412": _OF_FILES["412"]})
    schema = {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}
    refusals = {
        status: {"description": text} | ({} if status in ("206", "304") else {"content": {"application/json": schema}})
        for status, text in problems.items()
    }
    if is_file:
        refusals["206"]["content"] = _content(one)
    return {
        "operationId": one.respond.__name__,
        "summary": (one.respond.__doc__ or "").splitlines()[0],
        "parameters": _parameters(one.query),
        "responses": {"200": {"description": "Found.", "content": _content(one)}, **refusals},
    }


def _content(one: Operation) -> dict[str, Any]:
    if isinstance(one.answer, Mapping):
        return {media_type: {"schema": {"description": text}} for media_type, text in one.answer.items()}
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=one.answer.__name__)}}}


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", ())
    return [
        {
            "name": name, "in": "query", "required": name in required, "description": value.get("description", ""),
            "schema": {key: part for key, part in value.items() if key not in ("title", "description")},
        }
        for name, value in schema.get("properties", {}).items()
    ]  # fmt: skip
