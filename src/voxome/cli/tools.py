"""``voxome tools``: list the tools."""

from __future__ import annotations

from voxome.cli.console import Json, show_json
from voxome.cli.table import show_table


def tools(json: Json = False) -> None:
    """List the tools with their inputs, outputs and purpose."""
    from voxome.registry import load_all

    specs = [tool.spec for _, tool in sorted(load_all("voxome.tools"))]
    if json:
        show_json(
            [
                {
                    "name": tool.name,
                    "version": tool.version,
                    "summary": tool.summary,
                    "inputs": list(tool.inputs),
                    "parameters": list(tool.parameters),
                    "outputs": list(tool.outputs),
                }
                for tool in specs
            ]
        )
        return
    rows = [[t.name, ", ".join(t.inputs), ", ".join(t.outputs), t.summary] for t in specs]
    show_table(["tool", "inputs", "outputs", "purpose"], rows)
