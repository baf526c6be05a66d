"""Cells of one value, found at the speed of memory."""

from __future__ import annotations

from voxome.tools.common.cells.compiled import inner


@inner
def compare_row(bits, z0, z1, y0, y1, edges, paired, values, mixed):  # type: ignore[no-untyped-def]
    """Note the first value of each cell of a row, and whether the cell has another one, in any of the rows.

    Values are compared as unsigned integers of the same size, several at once.
    """
    cells = len(values)
    if paired and z1 - z0 == 2 and y1 - y0 == 2:
        a, b, c, d = bits[z0, y0], bits[z0, y0 + 1], bits[z0 + 1, y0], bits[z0 + 1, y0 + 1]
        for k in range(cells):
            first = a[2 * k]
            values[k] = first
            differing = (a[2 * k + 1] ^ first) | (b[2 * k] ^ first) | (b[2 * k + 1] ^ first) | (c[2 * k] ^ first)
            mixed[k] = differing | (c[2 * k + 1] ^ first) | (d[2 * k] ^ first) | (d[2 * k + 1] ^ first) != 0
        return
    for k in range(cells):
        first, differs = bits[z0, y0, edges[k]], False
        for z in range(z0, z1):
            for y in range(y0, y1):
                for x in range(edges[k], edges[k + 1]):
                    differs |= bits[z, y, x] != first
        values[k], mixed[k] = first, differs


@inner
def spread_row(below, z0, z1, y0, y1, edges, paired, mixed):  # type: ignore[no-untyped-def]
    """Note which cells of a row have cells of more than one value."""
    for z in range(z0, z1):
        for y in range(y0, y1):
            row = below[z, y]
            if paired:
                for k in range(len(mixed)):
                    mixed[k] |= row[2 * k] | row[2 * k + 1]
                continue
            for k in range(len(mixed)):
                for x in range(edges[k], edges[k + 1]):
                    mixed[k] |= row[x]
