"""A stand-in for a DVID server, in memory: it answers as a recorded real one did, refusals included."""

from voxome.testing.dvid.app import application, serving
from voxome.testing.dvid.service import Service

__all__ = ["Service", "application", "serving"]
