"""A stand-in for a DVID server, in memory: it answers as a recorded real one did, refusals included."""

from standins.dvid.app import application, serving
from standins.dvid.service import Service

__all__ = ["Service", "application", "serving"]
