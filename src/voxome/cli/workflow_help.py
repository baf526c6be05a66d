"""Help on a verb that runs a workflow: with the workflow, also on its inputs."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from voxome.errors import VoxomeError

_ARGUMENTS = "voxome.arguments"


class WorkflowCommand(TyperCommand):
    """A verb whose help lists the inputs of the workflow, if one is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, and keep them for the help."""
        ctx.meta[_ARGUMENTS] = [*args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and the inputs of the workflow."""
        super().format_help(ctx, formatter)
        workflow = next((one for one in ctx.meta.get(_ARGUMENTS, ()) if one.partition("#")[0].endswith(".cwl")), None)
        if workflow is None:
            formatter.write_paragraph()
            formatter.write_text("With a workflow, --help lists its inputs, too: voxome run WORKFLOW --help.")
            return
        with formatter.section(f"Inputs of {workflow} (--set NAME=VALUE)"):
            formatter.write_dl(_inputs(workflow))


def _inputs(workflow: str) -> list[tuple[str, str]]:
    """Return the inputs of a workflow, those that must be set first, with types, documentation and defaults."""
    from voxome.workflow.cwl import load

    try:
        graph = load(workflow)
    except VoxomeError as error:
        return [("unknown", str(error))]
    shown = [one for one in graph.inputs.values() if one.name not in graph.run_options]
    rows = []
    for one in sorted(shown, key=lambda one: not one.required):
        default = ",".join(map(str, one.default)) if isinstance(one.default, list | tuple) else one.default
        end = "[required]" if one.required else "" if default is None else f"[default: {default}]"
        rows.append((f"{one.name} {'|'.join(one.types)}", f"{one.doc}  {end}".strip()))
    return rows
