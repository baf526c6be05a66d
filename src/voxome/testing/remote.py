"""Contract suite for remotes of volumes; subclass `VolumeRemoteContract` to test one.

Examples
--------
::

    from voxome.testing import VolumeRemoteContract

    class TestMyRemote(VolumeRemoteContract):
        dtypes = ("uint8", "uint64")

        @pytest.fixture
        def remote(self):
            return MyRemote()

        @pytest.fixture
        def new_uri(self, tmp_path):
            return lambda: Uri.parse(f"my://{tmp_path}/{uuid4().hex}")

        def seed(self, uri, array, spec): ...      # with the format's own library, not with MyRemote
        def inspect(self, uri): ...
"""

from __future__ import annotations

from voxome.testing.volume_levels import VolumeLevels
from voxome.testing.volume_reading import VolumeReading
from voxome.testing.volume_writing import VolumeWriting


class VolumeRemoteContract(VolumeReading, VolumeWriting, VolumeLevels):
    """Tests of a remote of volumes.

    A subclass defines the fixtures `remote` and `new_uri` and the methods `seed` and `inspect`, and sets the flags of
    `VolumeCase` where they differ from the defaults.
    """
