"""``voxome init``: what clouds need before workflows can run there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from voxome.cli.console import Json, confirm, print_stderr, show_json
from voxome.cli.logs import Verbs
from voxome.cli.table import show_facts
from voxome.cli.values import parse_count
from voxome.errors import InvalidInput

app = Verbs(help="Set up clouds on which workflows run.", no_args_is_help=True)


@app.command("aws")
def aws(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the stack, and beginning of others.")] = "voxome",
    deploy: Annotated[bool, typer.Option("--deploy", help="Create the stack, or update it.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the stack; the bucket stays.")] = False,
    add_user: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="User who may run workflows; gets no password or key. Repeatable."),
    ] = None,
    region: Annotated[str, typer.Option(help="Region; by default that of AWS's configuration.")] = "",
    max_cpus: Annotated[
        Any, typer.Option(parser=parse_count, metavar="N", help="Processor cores that each queue may use; default 256.")
    ] = None,
    instance_type: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="Type or family of instances. Repeatable.")
    ] = None,
    subnet: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Subnet of the instances; default: of the default network. Repeatable."),
    ] = None,
    image: Annotated[str, typer.Option(help="Image with voxome, for the engine that is shown.")] = "IMAGE",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the template to a file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    json: Json = False,
) -> None:
    """Print, deploy or remove a CloudFormation stack for the engine awsbatch.

    It has a bucket, queues of spot and on-demand instances, a log group, and roles. Without --deploy and --remove, AWS
    is not called.
    """
    from voxome.cli.aws_template import AwsOptions, render_template

    if deploy and remove:
        raise InvalidInput("--deploy and --remove exclude each other; give one")
    users = tuple(add_user or ())
    if out is not None and (deploy or remove):
        raise InvalidInput("--out writes the template to a file; leave out --deploy and --remove")
    if remove and add_user:
        raise InvalidInput("--add-user needs --deploy; --remove removes all users of the stack")
    options = AwsOptions(
        name=name,
        max_cpus=256 if max_cpus is None else max_cpus,
        instance_types=tuple(instance_type or ("optimal",)),
        users=users,
    )
    options.check()
    if deploy:
        _deploy(options, region, subnet or [], image, json)
    elif remove:
        _remove(name, region, yes, json)
    else:
        _show(render_template(options), out, json)


def _show(template: str, out: Path | None, json: bool) -> None:
    """Print the template, or write it to a file."""
    if out is not None:
        from voxome.storage.atomic import write_file

        write_file(out, template)
    if json:
        show_json({"template": template, "file": None if out is None else str(out)})
    elif out is None:
        print(template, end="")


def _deploy(options: Any, region: str, subnets: list[str], image: str, json: bool) -> None:
    """Deploy the stack, with the users that it has already, and print how it is used."""
    from dataclasses import replace

    from voxome.cli.aws_template import render_template
    from voxome.extras import require

    require("aws", "botocore")
    from voxome.cli.aws_stack import Stack

    stack = Stack(options.name, region)
    before = (stack.outputs() or {}).get("Users", "")
    users = sorted({*options.users, *(user for user in before.split(",") if user)})
    changed = stack.deploy(render_template(replace(options, users=users)), stack.find_network(subnets))
    outputs = stack.outputs() or {}
    engines = {
        kind: f"awsbatch?{urlencode(_engine_options(outputs, queue, image, stack.region), safe='/:')}"
        for kind, queue in (("spot", "SpotQueue"), ("on_demand", "OnDemandQueue"))
    }
    facts = {
        "stack": options.name,
        "region": stack.region,
        "changed": changed,
        "store": f"s3://{outputs['Bucket']}/RUN?region={stack.region}",
        "engine": engines["spot"],
        "engine_on_demand": engines["on_demand"],
        "users": users,
    }
    if json:
        show_json(facts)
        return
    show_facts({**facts, "changed": "yes" if changed else "no", "users": ", ".join(users)})
    print_stderr("Use it as: voxome run WORKFLOW --store STORE --engine ENGINE")
    if users:
        print_stderr("Users have no password or key; give them one in the console of IAM, or by `aws iam`.")


def _engine_options(outputs: dict[str, str], queue: str, image: str, region: str) -> dict[str, str]:
    return {
        "queue": outputs[queue],
        "image": image,
        "region": region,
        "role": outputs["Role"],
        "logs": outputs["Logs"],
    }


def _remove(name: str, region: str, yes: bool, json: bool) -> None:
    """Remove the stack, and say where the data are that stay."""
    from voxome.extras import require

    require("aws", "botocore")
    from voxome.cli.aws_stack import Stack

    stack = Stack(name, region)
    outputs = stack.outputs()
    if outputs is not None and not (yes or confirm(f"Remove the stack {name} in {stack.region}, with its users?")):
        print_stderr("Nothing was removed; use --yes to remove without asking")
        raise typer.Exit(1)
    removed = stack.remove()
    bucket = (outputs or {}).get("Bucket")
    if json:
        show_json({"stack": name, "region": stack.region, "removed": removed, "bucket": bucket})
    elif removed:
        print_stderr(f"Removed the stack {name} in {stack.region}; the bucket {bucket} stays, with everything in it")
    else:
        print_stderr(f"There is no stack {name} in {stack.region}; nothing was removed")
