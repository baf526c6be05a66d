"""`voxome init aws`: its template, and the stack that it deploys in moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import pytest
from cli.schemas import SCHEMAS
from jsonschema import validate

from voxome.cli.aws_template import AwsOptions, render_template
from voxome.cli.main import main
from voxome.errors import InvalidInput

REGION = "us-east-1"
USERS = ("ann", "bob@lab.org", "=x+y", "123")


@pytest.fixture
def name() -> str:
    return f"lab-{uuid4().hex[:8]}"


@pytest.fixture
def aws(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Function that returns a client of a service of moto, which voxome uses too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return lambda service: boto3.client(service, endpoint_url=s3_url, region_name=REGION)


def _run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(["init", "aws", *arguments])
    return ended.value.code


def _parsed(users: tuple[str, ...] = ()) -> Any:
    from cfnlint.decode.cfn_yaml import loads

    return loads(render_template(AwsOptions(users=users)))


def _statements(template: Any) -> list[dict[str, Any]]:
    """Return the statements of all policies of a template."""
    found: list[dict[str, Any]] = []
    waiting = [template]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found += one.get("Statement", [])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


@pytest.mark.slow
def test_the_template_passes_cfn_lint() -> None:
    from cfnlint.api import lint

    for users in ((), USERS):
        assert lint(render_template(AwsOptions(name="lab", users=users, instance_types=("m6i", "c7g.large")))) == []
    assert lint(render_template(AwsOptions()).replace("Type: SPOT\n", "Type: SPOTS\n"))


@pytest.mark.slow
def test_nobody_may_do_more_than_needed() -> None:
    statements = _statements(_parsed(USERS))
    allowed = [one for one in statements if one["Effect"] == "Allow" and "Resource" in one]
    assert allowed
    for one in allowed:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        assert not any("*" in action for action in actions)
        assert one["Resource"] != "*" or all(action.startswith(("batch:Describe", "batch:List")) for action in actions)


@pytest.mark.slow
def test_the_bucket_is_encrypted_closed_and_kept() -> None:
    bucket = _parsed()["Resources"]["Bucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    closed = bucket["Properties"]["PublicAccessBlockConfiguration"]
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert closed == dict.fromkeys(names, True)


def test_the_same_options_give_the_same_template_which_is_printed_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("lab", "--add-user", "bob", "--add-user", "ann") == 0
    printed = capsys.readouterr().out
    assert _run("lab", "--add-user", "ann", "--add-user", "bob", "--out", str(tmp_path / "lab.yaml")) == 0
    assert (tmp_path / "lab.yaml").read_text() == printed
    assert 'UserName: "ann"' in printed
    assert "JobQueueName: lab-spot" in printed
    assert "AccessKey" not in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "Lab"}, "The name 'Lab' is invalid; use up to 40 lower-case letters"),
        ({"max_cpus": 0}, "A queue with 0 processor cores runs nothing"),
        ({"users": ["a b"]}, "The user name 'a b' is invalid"),
        ({"users": ['a"\nType: x']}, "The user name .* is invalid"),
        ({"instance_types": ["m6i large"]}, "The instance type 'm6i large' is invalid; give types as m6i.4xlarge"),
    ],
)
def test_names_that_aws_does_not_take_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        render_template(AwsOptions(**options))


@pytest.mark.parametrize("options", [("--deploy", "--out=x"), ("--remove", "--out=x"), ("--remove", "--add-user=ann")])
def test_options_that_would_have_no_effect_are_refused(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("lab", *options) == 1
    assert options[1].partition("=")[0] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tried to parse AWS")  # which moto does not know
def test_a_stack_is_deployed_again_without_changes_and_removed_but_for_its_bucket(
    name: str, aws: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    results = []
    for users in (["ann"], [], ["bob"]):
        options = [word for user in users for word in ("--add-user", f"{user}-{name}")]
        assert _run(name, "--deploy", "--json", "--image", "lab/voxome:1", *options) == 0
        results.append(json.loads(capsys.readouterr().out))
        validate(results[-1], SCHEMAS["init aws --deploy"])
    assert [one["users"] for one in results] == [[f"ann-{name}"]] * 2 + [[f"ann-{name}", f"bob-{name}"]]
    assert results[0]["changed"]
    assert len({one["store"] for one in results}) == 1
    engine = dict(parse_qsl(results[0]["engine"].removeprefix("awsbatch?")))
    assert (engine["queue"], engine["image"], engine["region"]) == (f"{name}-spot", "lab/voxome:1", REGION)
    assert engine["logs"] == f"/{name}/jobs"
    roles = [role["Arn"] for role in aws("iam").list_roles()["Roles"]]
    assert engine["role"] in roles
    queues = aws("batch").describe_job_queues(jobQueues=[f"{name}-spot", f"{name}-ondemand"])["jobQueues"]
    assert len(queues) == 2
    bucket = results[0]["store"].removeprefix("s3://").partition("/")[0]
    aws("s3").put_object(Bucket=bucket, Key="data", Body=b"x")
    assert aws("iam").list_access_keys(UserName=f"ann-{name}")["AccessKeyMetadata"] == []
    assert _run(name, "--remove", "--yes") == 0
    assert f"the bucket {bucket} stays" in capsys.readouterr().err
    assert aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert _run(name, "--remove") == 0
    assert f"There is no stack {name} in {REGION}; nothing was removed" in capsys.readouterr().err
    assert _run(name, "--remove", "--json") == 0
    validate(json.loads(capsys.readouterr().out), SCHEMAS["init aws --remove"])


@pytest.mark.slow
def test_what_aws_refuses_is_named_without_secrets(
    name: str, aws: Callable[[str], Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(name, "--deploy", "--subnet", "subnet-none") == 1
    assert "describe_subnets failed:" in capsys.readouterr().err
    assert _run(name, "--deploy", "--remove") == 1
    assert "--deploy and --remove exclude each other" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert _run(name, "--deploy") == 1
    text = capsys.readouterr().err
    assert "describe_stacks failed:" in text
    assert "hush-hush" not in text
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert _run(name, "--deploy") == 1
    assert "No region is known; give --region us-east-1" in capsys.readouterr().err
