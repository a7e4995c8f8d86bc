# ruff: noqa: B007, E741, N803, N806 -- written as people write them
"""Programs as people write them: exercises, statistics, finance, images, learning.

Not here: how they are run (`test_programs.py`).
"""

import numpy as np

from tests.api.programs import image, keywords, program, random


@program(lambda: random().random(10), lambda: random(1).random(13), lambda: np.ones(1))
def ex_replace_max(Z):
    Z[Z.argmax()] = 0
    return Z


@program(lambda: np.arange(11), lambda: np.arange(7), lambda: np.arange(20)[::-2])
def ex_negate_3_8(Z):
    Z[(3 < Z) & (Z < 8)] *= -1
    return Z


@program(
    lambda: (np.arange(10), np.arange(5, 25, 2)),
)
def ex_ints_identities(A, B):
    return A**2 == A * A, 2 << A >> 2, A // 2 + B, A % 3, ~A, A & 1 | B[0]


@program(lambda: (random().integers(0, 10, (5, 3)),), lambda: (random().integers(0, 10, (8, 3)),))
def ex_sort_by_col(Z):
    return Z[Z[:, 1].argsort()]


@program(lambda: (np.ones(10), np.array([1, 3, 1, 5])), lambda: (np.ones(4), np.array([1, 3, 1, 0, 0, 2])))
def ex_add_at(Z, I):
    np.add.at(Z, I, 1)
    return Z


@program(lambda: np.array([1, 2, 3, 4, 5]), lambda: np.arange(3))
def ex_interleave(Z):
    nz = 3
    Z0 = np.zeros(len(Z) + (len(Z) - 1) * nz)
    Z0[:: nz + 1] = Z
    return Z0


@program(lambda: np.arange(25).reshape(5, 5), lambda: np.arange(9.0).reshape(3, 3))
def ex_swap_rows(A):
    A[[0, 1]] = A[[1, 0]]
    return A


@program(lambda: random().random(20), lambda: random(1).random(11))
def ex_moving_average(a, n=3):
    ret = np.cumsum(a, dtype=float)
    ret[n:] = ret[n:] - ret[:-n]
    return ret[n - 1 :] / n


@program(lambda: (random().random((3, 2)), random().random((3, 2)), random().random((4, 2))))
def ex_point_line_distance(P0, P1, p):
    T = P1 - P0
    L = (T**2).sum(axis=1)
    U = -((P0[:, 0] - p[..., 0, None]) * T[:, 0] + (P0[:, 1] - p[..., 1, None]) * T[:, 1]) / L
    U = U.reshape(len(U), -1, 1)
    D = P0 + U * T - p[:, None]
    return np.sqrt((D**2).sum(axis=2))


@program(lambda: np.arange(1, 15, dtype=np.uint32), lambda: np.arange(1, 9, dtype=np.uint32))
def ex_stride_windows(Z):
    n = len(Z) - 3
    return Z[np.arange(4)[None, :] + np.arange(n)[:, None]]


@program(lambda: random().random(17).astype("f4"), lambda: random().random(8).astype("f4"))
def ex_int_bits(Z):
    Z = (Z * 100).astype(np.uint8)
    return ((Z.reshape(-1, 1) & (2 ** np.arange(8))) != 0).astype(int)[:, ::-1]


@program(lambda: random().random(100), lambda: random(1).random(37))
def ex_float_int_parts(Z):
    Z = Z * 10
    return Z - Z % 1, Z // 1, np.floor(Z), np.ceil(Z) - 1, Z.astype(int), np.trunc(Z)


@program(lambda: random().random(31), lambda: random().random(12))
def st_skew_kurt(x):
    m = x.mean()
    s = x.std(ddof=1)
    z = (x - m) / s
    return {"mean": m, "std": s, "skew": (z**3).mean(), "kurt": (z**4).mean() - 3, "n": x.size}


@program(lambda: (random().normal(size=50), 8), lambda: (random().normal(size=33), 4))
def st_histogram(x, bins):
    lo, hi = x.min(), x.max()
    idx = np.minimum(((x - lo) / (hi - lo) * bins).astype(np.int64), bins - 1)
    counts = np.zeros(bins, dtype=np.int64)
    np.add.at(counts, idx, 1)
    return counts, lo + (hi - lo) * np.arange(bins + 1) / bins


@program(lambda: random().normal(size=40), lambda: random().normal(size=10))
def st_welford(xs):
    n = 0
    mean = 0.0
    m2 = 0.0
    for x in xs:
        n += 1
        d = x - mean
        mean += d / n
        m2 += d * (x - mean)
    return mean, m2 / (n - 1)


@program(
    lambda: (random().normal(size=40), random().normal(size=40)),
    lambda: (random().normal(size=9), random().normal(size=9)),
)
def st_linreg(x, y):
    A = np.stack([np.ones_like(x), x], axis=1)
    G = A.T @ A
    b = A.T @ y
    det = G[0, 0] * G[1, 1] - G[0, 1] * G[1, 0]
    inv = np.array([[G[1, 1], -G[0, 1]], [-G[1, 0], G[0, 0]]]) / det
    return inv @ b


@program(lambda: (random().random(8), 0.3), lambda: (random().random(15), 0.9))
def st_ewma(x, alpha):
    out = np.empty_like(x)
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = alpha * x[i] + (1 - alpha) * out[i - 1]
    return out


@program(
    lambda: (random().integers(0, 2, 40).astype(bool), random().random(40)),
    lambda: (random().integers(0, 2, 14).astype(bool), random().random(14)),
)
def st_auc(label, score):
    order = np.argsort(-score)
    l = label[order]
    tp = np.cumsum(l)
    fp = np.cumsum(~l)
    tpr = tp / tp[-1]
    fpr = fp / fp[-1]
    return np.trapezoid(tpr, fpr), tpr[-1]


def cdf(x):
    a1, a2, a3, a4, a5 = 0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429
    L = np.abs(x)
    K = 1.0 / (1.0 + 0.2316419 * L)
    w = 1.0 - 1.0 / np.sqrt(2 * np.pi) * np.exp(-L * L / 2) * (
        a1 * K + a2 * K**2 + a3 * K**3 + a4 * K**4 + a5 * K**5
    )
    return np.where(x < 0, 1.0 - w, w)


@program(
    lambda: (random().uniform(80, 120, 40), 100.0, 0.5, 0.02, 0.3),
    lambda: (random().uniform(80, 120, 21), 90.0, 1.5, 0.01, 0.2),
    lambda: (random().uniform(80, 120, (3, 4)), 90, 1, 0.01, 0.2),
)
def fi_black_scholes(S, K, T, r, sigma):
    d1 = (np.log(S / K) + (r + 0.5 * sigma**2) * T) / (sigma * np.sqrt(T))
    d2 = d1 - sigma * np.sqrt(T)
    call = S * cdf(d1) - K * np.exp(-r * T) * cdf(d2)
    put = K * np.exp(-r * T) * cdf(-d2) - S * cdf(-d1)
    return call, put


@program(lambda: random().uniform(1, 2, 30), lambda: random().uniform(1, 2, 10))
def fi_drawdown(prices):
    peak = np.maximum.accumulate(prices)
    dd = (prices - peak) / peak
    i = dd.argmin()
    return dd.min(), i


@program(lambda: (np.array([-100.0, 30, 40, 50, 20]),), lambda: (np.array([-50.0, 30, 40]),))
def fi_irr(cash):
    lo, hi = -0.9, 1.0
    t = np.arange(len(cash))
    for _ in range(50):
        mid = (lo + hi) / 2
        npv = (cash / (1 + mid) ** t).sum()
        if npv > 0:
            lo = mid
        else:
            hi = mid
    return lo


@program(lambda: (1000.0, 0.05, 12), lambda: (2000.0, 0.04, 24), lambda: (2000.0, 0.04, 36))
def fi_amortize(principal, rate, months):
    m = rate / 12
    pay = principal * m / (1 - (1 + m) ** -months)
    table = np.zeros((months, 3))
    bal = principal
    for i in range(months):
        interest = bal * m
        bal = bal - (pay - interest)
        table[i] = interest, pay - interest, bal
    return pay, table


@program(lambda: image(8, 6), lambda: image(5, 9), lambda: image(6, 6)[::-1, ::2])
def im_gray(img):
    return (img[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


@program(lambda: (image(8, 6), 40), lambda: (image(4, 6), 200))
def im_uint8_wrap(img, delta):
    return img + np.uint8(delta), 255 - img, img // 2, img >> 1, img ^ 0xFF


@program(lambda: random().random((9, 8)), lambda: random().random((5, 12)), lambda: random().random((9, 8)).T)
def im_sobel(img):
    gx = img[:-2, 2:] + 2 * img[1:-1, 2:] + img[2:, 2:] - img[:-2, :-2] - 2 * img[1:-1, :-2] - img[2:, :-2]
    gy = img[2:, :-2] + 2 * img[2:, 1:-1] + img[2:, 2:] - img[:-2, :-2] - 2 * img[:-2, 1:-1] - img[:-2, 2:]
    return np.hypot(gx, gy), np.arctan2(gy, gx)


@program(
    lambda: (random().random((9, 8)), random().random((3, 3))),
    lambda: (random().random((7, 6)), random().random((3, 3))),
    lambda: (random().random((7, 6)), random().random((2, 3))),
)
def im_conv2d(img, k):
    kh, kw = k.shape
    out = np.zeros((img.shape[0] - kh + 1, img.shape[1] - kw + 1))
    for i in range(kh):
        for j in range(kw):
            out += k[i, j] * img[i : i + out.shape[0], j : j + out.shape[1]]
    return out


@program(lambda: image(8, 6)[..., 0], lambda: image(5, 9)[..., 1])
def im_hist_eq(img):
    hist = np.zeros(256, dtype=np.int64)
    np.add.at(hist, img.ravel(), 1)
    cdf_ = hist.cumsum()
    lut = (cdf_ * 255 // cdf_[-1]).astype(np.uint8)
    return lut[img]


@program(
    lambda: (random().random((6, 7)), random().random((5, 4)) * 4, random().random((5, 4)) * 5),
    lambda: (random().random((9, 9)), random().random((3, 4)) * 7, random().random((3, 4)) * 7),
)
def im_remap(img, ys, xs):
    y0 = np.floor(ys).astype(int)
    x0 = np.floor(xs).astype(int)
    fy = ys - y0
    fx = xs - x0
    a = img[y0, x0]
    b = img[y0, x0 + 1]
    c = img[y0 + 1, x0]
    d = img[y0 + 1, x0 + 1]
    return a * (1 - fy) * (1 - fx) + b * (1 - fy) * fx + c * fy * (1 - fx) + d * fy * fx


@program(
    lambda: (random().random((8, 8)) > 0.6).astype(np.int8),
    lambda: (random().random((5, 9)) > 0.6).astype(np.int8),
)
def im_threshold_otsu(img):
    x = img * 100 + 5
    best, best_t = -1.0, 0
    for t in range(0, 120, 10):
        m = x < t
        w0 = m.mean()
        w1 = 1 - w0
        m0 = (x * m).sum() / max(m.sum(), 1)
        m1 = (x * ~m).sum() / max((~m).sum(), 1)
        v = w0 * w1 * (m0 - m1) ** 2
        if v > best:
            best, best_t = v, t
    return best, best_t


@program(
    lambda: (random().normal(size=(10, 3)), random().normal(size=(4, 3)), random().integers(0, 3, 10)),
    lambda: (random().normal(size=(7, 2)), random().normal(size=(5, 2)), random().integers(0, 3, 7)),
)
def ml_knn(train, test, labels):
    d = ((test[:, None, :] - train[None]) ** 2).sum(-1)
    nearest = np.argsort(d, axis=1)[:, :3]
    votes = labels[nearest]
    counts = (votes[..., None] == np.arange(3)).sum(axis=1)
    return counts.argmax(axis=1)


@program(
    lambda: (random().normal(size=(20, 4)), random().integers(0, 2, 20), 15),
    lambda: (random().normal(size=(9, 2)), random().integers(0, 2, 9), 15),
    tol=1e4,
)
def ml_logistic(X, y, steps):
    w = np.zeros(X.shape[1])
    b = 0.0
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(X @ w + b)))
        g = p - y
        w -= 0.1 * X.T @ g / len(y)
        b -= 0.1 * g.mean()
    return w, b


@program(
    lambda: (random().normal(size=(20, 2)), random(1).normal(size=(3, 2))),
    lambda: (random().normal(size=(14, 3)), random(1).normal(size=(4, 3))),
)
def ml_kmeans(X, C):
    for _ in range(5):
        d = ((X[:, None] - C) ** 2).sum(-1)
        a = d.argmin(1)
        onehot = (a[:, None] == np.arange(C.shape[0])).astype(X.dtype)
        n = onehot.sum(0)
        C = np.where(n[:, None] > 0, onehot.T @ X / np.maximum(n, 1)[:, None], C)
    return C, a


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@program(
    lambda: tuple(random(i).normal(size=s) for i, s in enumerate([(6, 2, 3), (3, 16), (4, 16), (16,)])),
    lambda: tuple(random(i).normal(size=s) for i, s in enumerate([(4, 5, 3), (3, 16), (4, 16), (16,)])),
    tol=256,
)
def ml_lstm_seq(xs, Wx, Wh, b):
    H = Wh.shape[0]
    h = np.zeros((xs.shape[1], H))
    c = np.zeros((xs.shape[1], H))
    out = []
    for x in xs:
        z = x @ Wx + h @ Wh + b
        i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out), h


@program(
    lambda: keywords(
        random().normal(size=(2, 6, 8)).astype("f4"), random().normal(size=(8, 24)).astype("f4"), heads=2
    ),
    lambda: keywords(
        random().normal(size=(3, 4, 8)).astype("f4"), random().normal(size=(8, 24)).astype("f4"), heads=4
    ),
    tol=256,
)
def ml_multihead(x, w, heads=1):
    b, t, c = x.shape
    qkv = (x @ w).reshape(b, t, 3, heads, c // heads).transpose(2, 0, 3, 1, 4)
    q, k, v = qkv
    a = q @ k.swapaxes(-1, -2) * (c // heads) ** -0.5
    a = np.exp(a - a.max(-1, keepdims=True))
    a = a / a.sum(-1, keepdims=True)
    return (a @ v).transpose(0, 2, 1, 3).reshape(b, t, c)


@program(
    lambda: (random().normal(size=(8, 3)), np.ones(3), np.zeros(3), random(5).normal(size=(8, 3))),
    lambda: (random().normal(size=(5, 4)), np.ones(4), np.zeros(4), random(5).normal(size=(5, 4))),
    tol=1024,
)
def ml_batchnorm(x, gamma, beta, dout):
    N, _ = x.shape
    mu = x.mean(axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1.0 / np.sqrt(var + 1e-5)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (1.0 / N) * ivar * (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0))
    return out, dx, dgamma, dbeta


@program(
    lambda: (random().normal(size=(5, 4)).astype("f4"), random().integers(0, 4, 5)),
    lambda: (random().normal(size=(8, 3)).astype("f4"), random().integers(0, 3, 8)),
)
def ml_softmax_xent(logits, y):
    z = logits - logits.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    n = len(y)
    loss = -logp[np.arange(n), y].mean()
    g = np.exp(logp)
    g[np.arange(n), y] -= 1
    g /= n
    return loss, g


@program(
    lambda: (random().normal(size=(2, 3, 6, 5)), random().normal(size=(4, 3, 3, 3))),
    lambda: (random().normal(size=(1, 2, 5, 5)), random().normal(size=(3, 2, 2, 2))),
    tol=256,
)
def ml_conv_loops(x, w):
    n, _, h, wd = x.shape
    f, _, kh, width = w.shape
    oh, ow = h - kh + 1, wd - width + 1
    out = np.zeros((n, f, oh, ow))
    for i in range(oh):
        for j in range(ow):
            patch = x[:, :, i : i + kh, j : j + width].reshape(n, -1)
            out[:, :, i, j] = patch @ w.reshape(f, -1).T
    return out


@program(
    lambda: (random().normal(size=(30, 2)), random().integers(0, 2, 30) * 2 - 1),
    lambda: (random().normal(size=(11, 3)), random().integers(0, 2, 11) * 2 - 1),
    tol=1e4,
)
def ml_svm_sgd(X, y):
    w = np.zeros(X.shape[1])
    for epoch in range(3):
        for i in range(len(X)):
            if y[i] * (X[i] @ w) < 1:
                w = (1 - 0.01) * w + 0.01 * y[i] * X[i]
            else:
                w = (1 - 0.01) * w
    return w


@program(lambda: (np.arange(10.0), 2), lambda: (np.arange(12.0), 3), lambda: (np.arange(15.0), 0))
def vi_steps_of_arguments(x, k):
    return x[:: k + 1], x[k:k], x[100:], x[:100], x[k:]


@program(lambda: np.arange(8.0), lambda: np.arange(3.0), lambda: np.arange(30.0)[::2])
def vi_sizes_that_are_computed(x):
    n = int((x > 3).sum())
    y, z = x * 2, x[x > 3]
    v = x[n:]
    v += 100
    return x[:n], v[::-1], x[:n].reshape(-1, 1), y[:n], y, z, z[:2], z


@program(lambda: np.arange(18.0), lambda: np.arange(13.0))
def vi_cut_in_a_loop(x):
    v = x
    for _ in range(3):
        v = v[int(v.sum()) % 3 :]
    return v, x[1:]
