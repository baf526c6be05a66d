"""Stand-in for a DVID server, in memory: responds like a recorded real server, errors included."""

from standins.dvid.app import application, serving
from standins.dvid.service import Service

__all__ = ["Service", "application", "serving"]
