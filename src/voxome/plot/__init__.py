"""Figures of volumes, cells and connectomes.

Each function returns a figure: of matplotlib, to be saved with ``figure.savefig("a.png")``, or with
``interactive=True`` of plotly, for notebooks, and for one HTML file with ``figure.write_html("a.html")``. The extra
``plots`` installs both.
"""

from voxome.plot.cells import cells
from voxome.plot.connections import connections
from voxome.plot.histogram import histogram
from voxome.plot.scene import scene
from voxome.plot.sections import section

__all__ = ["cells", "connections", "histogram", "scene", "section"]
