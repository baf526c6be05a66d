"""Stacks of CloudFormation: deployed, updated and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from botocore.parsers import ResponseParserError

from voxome.errors import InvalidInput, StoreError
from voxome.redaction import redact

_POLL_S = 5
_ATTEMPTS = 360
_UNCHANGED = "No updates are to be performed"
_UNFINISHED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "CREATE_FAILED")


class Stack:
    """A stack in a region.

    Parameters
    ----------
    name : str
        Its name.
    region : str
        Region; that of AWS's configuration if empty.

    Raises
    ------
    InvalidInput
        If no region is known.
    """

    def __init__(self, name: str, region: str = "") -> None:
        session = botocore.session.Session()
        self.name = name
        self.region = region or session.get_config_variable("region") or ""
        if not self.region:
            raise InvalidInput("No region is known; give --region us-east-1, or set AWS_DEFAULT_REGION")
        self._client: Any = _call(session.create_client, "cloudformation", region_name=self.region)
        self._network: Any = _call(session.create_client, "ec2", region_name=self.region)

    def outputs(self) -> dict[str, str] | None:
        """Return the outputs by name; None if the stack does not exist.

        Raises
        ------
        StoreError
            If AWS does not answer.
        """
        found = self._describe()
        return None if found is None else {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}

    def deploy(self, template: str, parameters: Mapping[str, str]) -> bool:
        """Create or update the stack, wait for the end, and return whether anything has changed.

        Raises
        ------
        StoreError
            If AWS refuses, or cannot create something.
        """
        found = self._describe()
        if found is not None and found["StackStatus"] in _UNFINISHED:
            raise StoreError(
                f"The stack {self.name} in {self.region} is of a failed attempt ({found['StackStatus']}); remove it "
                "with --remove, and deploy it again"
            )
        request = {
            "StackName": self.name,
            "TemplateBody": template,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }
        if found is None:
            _call(self._client.create_stack, **request, OnFailure="ROLLBACK")
            self._wait("stack_create_complete")
            return True
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if _UNCHANGED in str(error):
                return False
            raise _failure("update_stack", error) from error
        self._wait("stack_update_complete")
        return True

    def remove(self) -> bool:
        """Remove the stack, wait for the end, and return whether there was one.

        Raises
        ------
        StoreError
            If AWS refuses, or cannot remove something.
        """
        if self._describe() is None:
            return False
        _call(self._client.delete_stack, StackName=self.name)
        self._wait("stack_delete_complete")
        return True

    def find_network(self, subnets: Sequence[str]) -> dict[str, str]:
        """Return the parameters ``Vpc`` and ``Subnets``: of the subnets, or of the default network of the region.

        Raises
        ------
        InvalidInput, StoreError
            If they do not exist, or are of several networks.
        """
        chosen = (
            {"SubnetIds": list(subnets)} if subnets else {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
        )
        found = _call(self._network.describe_subnets, **chosen)["Subnets"]
        networks = sorted({one["VpcId"] for one in found})
        if len(networks) != 1:
            what = f"The subnets are of {len(networks)} networks" if networks else "There is no default network"
            raise InvalidInput(f"{what} in {self.region}; give --subnet ID, once or more, of one network")
        return {"Vpc": networks[0], "Subnets": ",".join(sorted(one["SubnetId"] for one in found))}

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise _failure("describe_stacks", error) from error
        except BotoCoreError as error:
            raise _failure("describe_stacks", error) from error
        return found

    def _wait(self, state: str) -> None:
        try:
            self._client.get_waiter(state).wait(
                StackName=self.name, WaiterConfig={"Delay": _POLL_S, "MaxAttempts": _ATTEMPTS}
            )
        except WaiterError as error:
            reasons = "; ".join(self._failed_resources()) or str(error)
            raise StoreError(
                f"The stack {self.name} in {self.region} was not completed: {redact(reasons)}; look at it in the "
                "console of CloudFormation"
            ) from error

    def _failed_resources(self) -> list[str]:
        """Return what could not be created or removed last, and why."""
        try:
            events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        except (ClientError, BotoCoreError):
            return []
        failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
        return [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason given')}" for one in failed[:5]
        ]


def _call(request: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return request(*arguments, **named)
    except (ClientError, BotoCoreError, ResponseParserError, ValueError) as error:
        raise _failure(getattr(request, "__name__", "AWS"), error) from error


def _failure(request: str, error: Exception) -> StoreError:
    return StoreError(redact(f"{request} failed: {error}; check the region, credentials and permissions"))
