"""Complete NumPy programs as a NumPy user writes them, compiled natively, against plain NumPy.

Factorizations, stencils, dynamic programming, simulations, searches, sparse products,
iterations to a tolerance.
"""

import numpy as np
import pytest

from tests.frontend.test_control_programs import agree


def cholesky(a):
    n = a.shape[0]
    lower = np.zeros_like(a)
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j] - lower[i, :j] @ lower[j, :j]
            if i == j:
                lower[i, i] = np.sqrt(s)
            else:
                lower[i, j] = s / lower[j, j]
    return lower


def lu(a):
    n = a.shape[0]
    for k in range(n - 1):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return a


def floyd(d):
    n = d.shape[0]
    for k in range(n):
        d = np.minimum(d, d[:, k, None] + d[None, k, :])
    return d


def life(b, steps):
    for _ in range(steps):
        n = (
            np.roll(b, 1, 0)
            + np.roll(b, -1, 0)
            + np.roll(b, 1, 1)
            + np.roll(b, -1, 1)
            + np.roll(np.roll(b, 1, 0), 1, 1)
            + np.roll(np.roll(b, 1, 0), -1, 1)
            + np.roll(np.roll(b, -1, 0), 1, 1)
            + np.roll(np.roll(b, -1, 0), -1, 1)
        )
        b = ((n == 3) | ((b == 1) & (n == 2))).astype(b.dtype)
    return b


def heat(u, steps):
    for _ in range(steps):
        u[1:-1, 1:-1] += 0.1 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1])
    return u


def jacobi(a, b, tol):
    x = np.zeros_like(b)
    d = np.diag(a)
    for it in range(200):  # noqa: B007 -- read after the loop
        new = (b - (a @ x - d * x)) / d
        if np.abs(new - x).max() < tol:
            break
        x = new
    return x, it


def cg(a, b, tol):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    rs = r @ r
    while np.sqrt(rs) > tol:
        ap = a @ p
        alpha = rs / (p @ ap)
        x = x + alpha * p
        r = r - alpha * ap
        new = r @ r
        p = r + (new / rs) * p
        rs = new
    return x


def power(a, steps):
    v = np.ones(a.shape[0])
    for _ in range(steps):
        w = a @ v
        v = w / np.sqrt((w * w).sum())
    return v @ a @ v


def nbody(pos, vel, mass, dt, steps):
    n = len(mass)
    for _ in range(steps):
        for i in range(n):
            for j in range(i + 1, n):
                d = pos[i] - pos[j]
                r3 = ((d * d).sum() + 0.01) ** 1.5
                vel[i] -= d * (mass[j] / r3) * dt
                vel[j] += d * (mass[i] / r3) * dt
        pos += vel * dt
    return pos


def kmeans(x, c, steps):
    for _ in range(steps):
        d = ((x[:, None, :] - c[None]) ** 2).sum(axis=2)
        label = d.argmin(axis=1)
        for k in range(c.shape[0]):
            mask = label == k
            n = mask.sum()
            if n > 0:
                c[k] = (x * mask[:, None]).sum(axis=0) / n
    return c, label


def thomas(a, b, c, d):
    n = len(d)
    cp = np.zeros(n)
    dp = np.zeros(n)
    x = np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return x


def sieve(n):
    p = np.ones(n + 1, dtype=bool)
    p[:2] = False
    i = 2
    while i * i <= n:
        if p[i]:
            p[i * i :: i] = False
        i += 1
    return p


def knapsack(w, v, cap):
    best = np.zeros(cap + 1)
    for i in range(len(w)):
        for c in range(cap, w[i] - 1, -1):
            best[c] = max(best[c], best[c - w[i]] + v[i])
    return best[cap]


def bubble(x):
    n = len(x)
    for i in range(n):
        swapped = False
        for j in range(n - 1 - i):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
                swapped = True
        if not swapped:
            break
    return x


def bisect(x, v):
    lo, hi = 0, len(x)
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < v:
            lo = mid + 1
        else:
            hi = mid
    return lo


def csr(data, cols, rows, x):
    y = np.zeros(len(rows) - 1)
    for r in range(len(rows) - 1):
        s = 0.0
        for k in range(rows[r], rows[r + 1]):
            s += data[k] * x[cols[k]]
        y[r] = s
    return y


def csr_slices(data, cols, rows, x):
    y = np.zeros(len(rows) - 1)
    for r in range(len(rows) - 1):
        a, b = rows[r], rows[r + 1]
        y[r] = (data[a:b] * x[cols[a:b]]).sum()
    return y


def rnn(x, w, u, b):
    h = np.zeros(w.shape[0])
    out = np.zeros((x.shape[0], w.shape[0]))
    for t in range(x.shape[0]):
        h = np.tanh(w @ h + u @ x[t] + b)
        out[t] = h
    return out


def euler(f0, steps, dt):
    y = f0.copy()
    path = np.empty((steps + 1, len(y)))
    path[0] = y
    for k in range(steps):
        y = y + dt * np.array([y[1], -y[0]])
        path[k + 1] = y
    return path


def newton_vector(x, tol):
    r = x / 2
    while True:
        new = (r + x / r) / 2
        if np.abs(new - r).max() < tol:
            return new
        r = new


def matmul(a, b):
    n, k = a.shape
    m = b.shape[1]
    c = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            s = 0.0
            for p in range(k):
                s += a[i, p] * b[p, j]
            c[i, j] = s
    return c


def collatz(n):
    best = 0
    for i in range(1, n):
        c = 0
        m = i
        while m > 1:
            m = m // 2 if m % 2 == 0 else 3 * m + 1
            c += 1
        if c > best:
            best = c
    return best


def gs(u, iters):
    n = u.shape[0]
    for _ in range(iters):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    return u


def mandel(n, it):
    out = np.zeros((n, n), np.int64)
    for i in range(n):
        for j in range(n):
            cr = -2 + 3 * j / n
            ci = -1.5 + 3 * i / n
            zr = 0.0
            zi = 0.0
            k = 0
            while k < it and zr * zr + zi * zi < 4:
                zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
                k += 1
            out[i, j] = k
    return out


def lev(a, b):
    n = len(a)
    m = len(b)
    d = np.zeros((n + 1, m + 1), np.int64)
    for i in range(n + 1):
        d[i, 0] = i
    for j in range(m + 1):
        d[0, j] = j
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[n, m]


RNG = np.random.default_rng(0)


def positive(n):
    a = RNG.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


def sieve_by_slices(n):
    is_prime = np.ones(n + 1, dtype=bool)
    is_prime[:2] = False
    for i in range(2, int(n**0.5) + 1):
        if is_prime[i]:
            is_prime[i * i :: i] = False
    found = np.nonzero(is_prime)[0]
    return found, len(found), len(found[found > 9])


def steps_of_an_argument(x, k):
    view, copied = x[::k], x[1::k].copy()
    x[2:9:k] += 10
    view[0] = -1
    return view * 2, copied, x[k::k].sum()


def spmv(starts, cols, values, x):
    y = np.empty(starts.size - 1, values.dtype)
    for i in range(starts.size - 1):
        picked = cols[starts[i] : starts[i + 1]]
        y[i] = values[starts[i] : starts[i + 1]] @ x[picked]
    return y


def self_energies(g, d, out):
    for k in range(g.shape[0]):
        for e in range(g.shape[1]):
            for q in range(d.shape[0]):
                for w in range(d.shape[1]):
                    for i in range(3):
                        if e - w >= 0:
                            out[k, e] += g[k, e - w] @ (d[q, w] * i)
    return out


def grids(n):
    x, y = np.mgrid[0:n, 0:3]
    u, v = np.ogrid[0 : 2 * n : 2, 1:4]
    return x * y, u + v, np.mgrid[0:1:5j, 0:4], np.mgrid[0:n]


STARTS = np.array([0, 3, 3, 9, 20])
CASES = [
    (matmul, (RNG.random((7, 5)), RNG.random((5, 6)))),
    (collatz, (60,)),
    (gs, (RNG.random((12, 12)), 5)),
    (mandel, (16, 20)),
    (lev, (RNG.integers(0, 4, 20), RNG.integers(0, 4, 15))),
    (cholesky, (positive(12),)),
    (lu, (positive(12),)),
    (floyd, (RNG.random((15, 15)),)),
    (life, ((RNG.random((20, 20)) > 0.5).astype(np.int64), 6)),
    (heat, (RNG.random((20, 20)), 9)),
    (jacobi, (positive(9) + 90 * np.eye(9), RNG.random(9), 1e-10)),
    (cg, (positive(9), RNG.random(9), 1e-9)),
    (power, (positive(9), 30)),
    (nbody, (RNG.random((6, 3)), RNG.random((6, 3)), RNG.random(6), 0.01, 4)),
    (kmeans, (RNG.random((50, 2)), RNG.random((4, 2)), 5)),
    (thomas, (RNG.random(20), RNG.random(20) + 3, RNG.random(20), RNG.random(20))),
    (sieve, (200,)),
    (sieve_by_slices, (60,)),
    *((steps_of_an_argument, (RNG.random(n), k)) for n, k in ((10, 2), (23, 4), (11, 5), (12, -1))),
    (spmv, (STARTS.astype(np.uint32), RNG.integers(0, 9, 20), RNG.random(20), RNG.random(9))),
    (self_energies, (RNG.random((2, 3, 2, 2)), RNG.random((2, 3, 2, 2)), np.zeros((2, 3, 2, 2)))),
    (grids, (6,)),
    (knapsack, (RNG.integers(1, 9, 10), RNG.random(10), 40)),
    (bubble, (RNG.random(20),)),
    (bisect, (np.sort(RNG.random(50)), 0.3)),
    (csr, (RNG.random(20), RNG.integers(0, 9, 20), STARTS, RNG.random(9))),
    (csr_slices, (RNG.random(20), RNG.integers(0, 9, 20), STARTS, RNG.random(9))),
    (rnn, (RNG.random((9, 4)), RNG.random((6, 6)), RNG.random((6, 4)), RNG.random(6))),
    (euler, (np.array([1.0, 0.0]), 20, 0.01)),
    (newton_vector, (RNG.random(20) + 1, 1e-12)),
]


@pytest.mark.parametrize(("fn", "args"), CASES, ids=[f"{fn.__name__}{k}" for k, (fn, _) in enumerate(CASES)])
def test_program(fn, args):
    agree(fn, *args, tolerance=1e-8)
