"""Remove the results of a step that another plan of the run has no use for."""

from __future__ import annotations

from collections.abc import Collection

from voxome.blocks.step import Step
from voxome.contracts.handle import within
from voxome.storage.find import storage_at


def remove_outputs(step: Step, store: str, kept: Collection[str] = ()) -> None:
    """Remove the outputs of a step, finished or not.

    The file without which its jobs count as not done goes first, so that a removal that is interrupted leaves nothing
    that looks finished.

    Parameters
    ----------
    step : Step
        The step.
    store : str
        Address of its store.
    kept : collection of str, optional
        URIs of outputs that stay, as a step with the same key has them, too.

    Raises
    ------
    AlreadyExists
        If the files in their place are not those that the step has written.
    """
    step.file(store).unlink()
    for kind, target in step.targets(store):
        if target.uri not in kept:
            kind.remove(target)


def remove_folder(step: Step, store: str) -> None:
    """Remove the folder of a step, with the intermediate data.

    Raises
    ------
    StoreError
        If the store fails.
    """
    step.file(store).unlink()
    storage_at(within(step.folder, store)).delete()
