"""Sums and means of cells, compiled."""

from __future__ import annotations

from voxome.tools.common.cells.compiled import jit


@jit
def add(data, ez, ey, ex, y_paired, x_paired, sums):  # type: ignore[no-untyped-def]
    """Add up the voxels of each cell, row by row; those of pairs in the same order, without a look at their edges."""
    zero = sums.dtype.type(0)
    cells = len(ex) - 1
    for cz in range(len(ez) - 1):
        for z in range(ez[cz], ez[cz + 1]):
            for cy in range(len(ey) - 1):
                total = sums[cz, cy]
                if y_paired and x_paired:
                    row, other = data[z, ey[cy]], data[z, ey[cy] + 1]
                    for cx in range(cells):
                        part = total[cx] + ((zero + row[2 * cx]) + row[2 * cx + 1])
                        total[cx] = part + ((zero + other[2 * cx]) + other[2 * cx + 1])
                    continue
                for y in range(ey[cy], ey[cy + 1]):
                    row = data[z, y]
                    if x_paired:
                        for cx in range(cells):
                            total[cx] += (zero + row[2 * cx]) + row[2 * cx + 1]
                    else:
                        for cx in range(cells):
                            part = zero
                            for x in range(ex[cx], ex[cx + 1]):
                                part += row[x]
                            total[cx] += part


@jit
def add_counted(data, mask, ez, ey, ex, sums):  # type: ignore[no-untyped-def]
    """Add up those voxels of each cell that count, in the order of `add`."""
    zero = sums.dtype.type(0)
    for cz in range(len(ez) - 1):
        for z in range(ez[cz], ez[cz + 1]):
            for cy in range(len(ey) - 1):
                for y in range(ey[cy], ey[cy + 1]):
                    for cx in range(len(ex) - 1):
                        part = zero
                        for x in range(ex[cx], ex[cx + 1]):
                            if mask[z, y, x]:
                                part += data[z, y, x]
                        sums[cz, cy, cx] += part


@jit
def round_full(sums, sz, sy, sx, means):  # type: ignore[no-untyped-def]
    """Divide by the number of voxels, and round half to even; rows of cells of 1, 2, 4, … voxels by shifts."""
    cells = len(sx)
    for z in range(sums.shape[0]):
        for y in range(sums.shape[1]):
            row, out, n = sums[z, y], means[z, y], sz[z] * sy[y] * sx[cells // 2]
            begin, end, shift = cells, cells, 0
            if n & (n - 1) == 0:
                begin, end = int(sx[0] != sx[cells // 2]), cells - int(sx[cells - 1] != sx[cells // 2])
                while 1 << shift < n:
                    shift += 1
            exact = sums.dtype.type  # without it integers of 32 bits become 64, of which a register has half as many
            below, odd, by = exact(n // 2 - 1 if n > 1 else 0), exact(n > 1), exact(shift)
            inner, rounded = row[begin:end], out[begin:end]
            for x in range(len(inner)):
                rounded[x] = exact(exact(inner[x] + below) + exact(exact(inner[x] >> by) & odd)) >> by
            for at in range(cells - end + begin):
                x = at if at < begin else at + end - begin
                total, m = row[x], sz[z] * sy[y] * sx[x]
                mean = total // m
                rest = total - mean * m
                if 2 * rest > m or (2 * rest == m and mean & 1):
                    mean += 1
                out[x] = mean


@jit
def round(sums, counts, means):  # type: ignore[no-untyped-def]
    """Divide, and round half to even."""
    for i in range(len(sums)):
        total, n = sums[i], counts[i]
        if n == 8:
            mean, rest = total >> 3, total & 7
        elif n:
            mean = total // n
            rest = total - mean * n
        else:
            mean, rest = 0, 0
        if 2 * rest > n or (2 * rest == n and mean & 1):
            mean += 1
        means[i] = mean


@jit
def round_wide(highs, lows, counts, means):  # type: ignore[no-untyped-def]
    """Divide sums of two halves, and round half to even; counts are below 2**31."""
    for i in range(len(lows)):
        n = counts[i]
        if n == 0:
            means[i] = 0
            continue
        high = highs[i] // n
        left = ((highs[i] - high * n) << 32) + lows[i]
        low = left // n
        rest = left - low * n
        mean = (high << 32) + low
        if 2 * rest > n or (2 * rest == n and mean & 1):
            mean += 1
        means[i] = mean
