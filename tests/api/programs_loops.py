# ruff: noqa: B007, E741, N803, N806 -- written as people write them
"""Programs as people write them: physics, geometry, signals, tables, graphs, automata, games.

Not here: how they are run (`test_programs.py`).
"""

import numpy as np

from tests.api.programs import graph, program, random


@program(
    lambda: (random().normal(size=(5, 3)), np.zeros((5, 3)), np.ones(5), 0.01),
    lambda: (random().normal(size=(8, 3)), np.zeros((8, 3)), np.ones(8), 0.02),
    tol=1e4,
)
def ph_nbody(pos, vel, mass, dt, G=1.0, soft=0.1):
    for _ in range(4):
        d = pos[None, :, :] - pos[:, None, :]
        inv3 = ((d**2).sum(-1) + soft**2) ** -1.5
        acc = G * (d * inv3[..., None] * mass[None, :, None]).sum(axis=1)
        vel += acc * dt
        pos += vel * dt
    ke = 0.5 * (mass[:, None] * vel**2).sum()
    return ke


@program(lambda: (np.zeros((8, 9)), 6), lambda: (np.ones((6, 6)), 4), lambda: (np.ones((12, 7)), 5))
def ph_heat(u, steps, alpha=0.1):
    u[0, :] = 100.0
    for _ in range(steps):
        u[1:-1, 1:-1] += alpha * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])
    return u


@program(lambda: (np.zeros((8, 8)), 1e-3), lambda: (np.zeros((5, 7)), 1e-2))
def ph_jacobi(u, tol):
    u[:, 0] = 1.0
    err = 1.0
    it = 0
    while err > tol and it < 200:
        new = u.copy()
        new[1:-1, 1:-1] = 0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2])
        err = np.abs(new - u).max()
        u = new
        it += 1
    return u, it


@program(lambda: (np.array([1.0, 0.0]), 0.1, 20), lambda: (np.array([0.5, 0.2]), 0.05, 30), tol=1024)
def ph_rk4(y, h, n):
    def f(t, y):
        return np.array([y[1], -y[0] - 0.1 * y[1]])

    out = np.empty((n + 1, 2))
    out[0] = y
    t = 0.0
    for i in range(n):
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
        out[i + 1] = y
    return out, t


@program(
    lambda: (np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 2]]), np.array([1.0, 2, 3])),
    lambda: (np.eye(5) * 3 + 0.1, np.arange(5.0)),
    tol=1e6,
)
def ph_conjugate_gradient(A, b, tol=1e-10):
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    for i in range(len(b)):
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        if np.sqrt(new) < tol:
            break
        p = r + (new / rs) * p
        rs = new
    return x


@program(
    lambda: (np.array([[4.0, 1, 2], [1, 3, 1], [2, 1, 5]]), np.array([1.0, 2, 3])),
    lambda: (np.eye(5) * 3 + 0.1, np.arange(5.0)),
    tol=1e4,
)
def ph_gauss(A, b):
    n = len(b)
    A = A.copy()
    b = b.copy()
    for k in range(n - 1):
        for i in range(k + 1, n):
            m = A[i, k] / A[k, k]
            A[i, k:] -= m * A[k, k:]
            b[i] -= m * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return x


@program(lambda: (np.array([[4.0, 1, 2], [1, 3, 1], [2, 1, 5]]),), lambda: (np.eye(4) * 3 + 0.1,), tol=1e4)
def ph_cholesky(A):
    n = A.shape[0]
    L = np.zeros_like(A)
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j] - L[i, :j] @ L[j, :j]
            if i == j:
                L[i, j] = np.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    return L


@program(
    lambda: (np.array([0.5, 0.5]), np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])),
    lambda: (np.array([1.5, 0.5]), np.array([[0.0, 0], [1, 0], [1, 1.0]])),
)
def ge_point_in_polygon(pt, poly):
    inside = False
    n = len(poly)
    j = n - 1
    for i in range(n):
        xi, yi = poly[i]
        xj, yj = poly[j]
        if (yi > pt[1]) != (yj > pt[1]) and pt[0] < (xj - xi) * (pt[1] - yi) / (yj - yi) + xi:
            inside = not inside
        j = i
    return inside


@program(
    lambda: (random().random((6, 2)), random(1).random(6)),
    lambda: (random().random((9, 2)), random(1).random(9)),
)
def ge_nms(centers, scores):
    boxes = np.hstack([centers, centers + 0.4])
    keep = np.ones(len(boxes), dtype=bool)
    order = np.argsort(scores)[::-1]
    for a in range(len(boxes)):
        i = order[a]
        if not keep[i]:
            continue
        for b in range(a + 1, len(boxes)):
            j = order[b]
            lt = np.maximum(boxes[i, :2], boxes[j, :2])
            rb = np.minimum(boxes[i, 2:], boxes[j, 2:])
            wh = np.maximum(rb - lt, 0)
            if wh[0] * wh[1] > 0.05:
                keep[j] = False
    return keep


@program(lambda: (random().normal(size=16),), lambda: (random().normal(size=8),))
def si_haar(x):
    out = x.copy()
    n = len(x)
    while n > 1:
        h = n // 2
        a = (out[:n:2] + out[1:n:2]) / np.sqrt(2)
        d = (out[:n:2] - out[1:n:2]) / np.sqrt(2)
        out[:h] = a
        out[h:n] = d
        n = h
    return out


@program(
    lambda: (random().integers(0, 3, 7), random(1).integers(0, 3, 9)),
    lambda: (random().integers(0, 3, 5), random(1).integers(0, 3, 4)),
)
def dp_levenshtein(a, b):
    m, n = len(a), len(b)
    d = np.zeros((m + 1, n + 1), dtype=np.int64)
    d[:, 0] = np.arange(m + 1)
    d[0, :] = np.arange(n + 1)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[m, n]


@program(
    lambda: (np.array([3, 4, 5, 2]), np.array([30, 50, 60, 15]), 10),
    lambda: (np.array([3, 4, 5]), np.array([30, 50, 60]), 8),
)
def dp_knapsack(w, v, cap):
    best = np.zeros(cap + 1, dtype=np.int64)
    for i in range(len(w)):
        for c in range(cap, w[i] - 1, -1):
            best[c] = max(best[c], best[c - w[i]] + v[i])
    return best[cap]


@program(
    lambda: (np.log(random().random((4, 3))), np.log(random(1).random((3, 3))), np.log(random(2).random(3))),
    lambda: (np.log(random().random((6, 2))), np.log(random(1).random((2, 2))), np.log(random(2).random(2))),
)
def dp_viterbi(obs, trans, init):
    T, S = obs.shape
    v = init + obs[0]
    back = np.zeros((T, S), dtype=int)
    for t in range(1, T):
        s = v[:, None] + trans
        back[t] = s.argmax(axis=0)
        v = s.max(axis=0) + obs[t]
    path = np.zeros(T, dtype=int)
    path[-1] = v.argmax()
    for t in range(T - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return path, v.max()


@program(
    lambda: (np.array([5, 2, 9, 1, 5, 6]),), lambda: (np.array([3.0, 1, 2]),), lambda: (np.array([3.0, 1]),)
)
def dp_bubble(a):
    a = a.copy()
    n = len(a)
    for i in range(n):
        for j in range(0, n - i - 1):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return a


@program(
    lambda: (np.array([1, 3, 5, 7, 9]), 7),
    lambda: (np.array([1, 3, 5, 7, 9, 11]), 2),
    lambda: (np.array([1, 3, 5, 7]), 1),
)
def dp_binsearch(a, x):
    lo, hi = 0, len(a) - 1
    while lo <= hi:
        mid = (lo + hi) // 2
        if a[mid] == x:
            return mid
        elif a[mid] < x:
            lo = mid + 1
        else:
            hi = mid - 1
    return -1


@program(lambda: graph(5), lambda: graph(4))
def gr_floyd_loops(d):
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]


@program(lambda: (random().random((7, 7)) < 0.3, 0), lambda: (random().random((5, 5)) < 0.4, 2))
def gr_bfs(adj, s):
    n = adj.shape[0]
    dist = np.full(n, -1)
    dist[s] = 0
    frontier = np.zeros(n, dtype=bool)
    frontier[s] = True
    level = 0
    while frontier.any():
        level += 1
        nxt = (adj[frontier].any(axis=0)) & (dist < 0)
        dist[nxt] = level
        frontier = nxt
    return dist


@program(
    lambda: (np.array([[0, 1], [1, 2], [3, 4]]), 6), lambda: (np.array([[0, 1], [2, 1], [3, 0], [4, 5]]), 7)
)
def gr_union_find(edges, n):
    label = np.arange(n)
    for a, b in edges:
        la, lb = label[a], label[b]
        label[label == lb] = la
    return label


@program(
    lambda: (random().random((8, 8)) > 0.6).astype(int), lambda: (random().random((6, 7)) > 0.6).astype(int)
)
def ca_life_slices(Z):
    N = (
        Z[0:-2, 0:-2]
        + Z[0:-2, 1:-1]
        + Z[0:-2, 2:]
        + Z[1:-1, 0:-2]
        + Z[1:-1, 2:]
        + Z[2:, 0:-2]
        + Z[2:, 1:-1]
        + Z[2:, 2:]
    )
    birth = (N == 3) & (Z[1:-1, 1:-1] == 0)
    survive = ((N == 2) | (N == 3)) & (Z[1:-1, 1:-1] == 1)
    Z[...] = 0
    Z[1:-1, 1:-1][birth | survive] = 1
    return Z


@program(
    lambda: (np.eye(1, 21, 10, dtype=np.uint8)[0], 30, 8),
    lambda: (np.eye(1, 15, 7, dtype=np.uint8)[0], 90, 5),
)
def ca_rule(row, rule, steps):
    table = (rule >> np.arange(8)) & 1
    out = [row]
    for _ in range(steps):
        l, r = np.roll(row, 1), np.roll(row, -1)
        row = table[4 * l + 2 * row + r].astype(np.uint8)
        out.append(row)
    return np.stack(out)


@program(
    lambda: np.zeros((4, 4), dtype=int) + np.eye(4, dtype=int) * 2, lambda: random().choice([0, 2, 4], (4, 4))
)
def ga_2048_left(b):
    out = np.zeros_like(b)
    for r in range(4):
        k = 0
        for c in range(4):
            if b[r, c] != 0:
                if k > 0 and out[r, k - 1] == b[r, c]:
                    out[r, k - 1] *= 2
                else:
                    out[r, k] = b[r, c]
                    k += 1
    return out
