"""Remove the results of a step that another plan of the run has no use for."""

from __future__ import annotations

from voxome.blocks.step import Step
from voxome.contracts.handle import within
from voxome.storage.find import storage_at


def remove_outputs(step: Step, store: str) -> None:
    """Remove the outputs of a step, finished or not.

    The file without which its jobs count as not done goes first, so that a removal that is interrupted leaves nothing
    that looks finished.

    Raises
    ------
    AlreadyExists
        If the files in their place are not those that the step has written.
    """
    step.file(store).unlink()
    for kind, target in step.targets(store):
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
