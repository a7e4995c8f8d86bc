"""Two operations of one's own, each in one place, checked, fused, differentiated and batched.

    python examples/custom_op.py

`laplacian` says how one element of its result is made, so that it becomes part of the kernel around it;
`soft` is given whole, with a derivative that stays finite where that of its operations would not.
"""

import numpy as np

import weft
from weft.testing import check_op

# One element of the result in elements of the operand; the mesh is a torus, so that the operation is its own
# transpose, which is its derivative.
laplacian = weft.custom_op(
    "laplacian",
    lambda u: sum(np.roll(u, shift, axis) for axis in (0, 1) for shift in (-1, 1)) - 4 * u,
    shape=lambda u: u.shape,
    element=lambda u, i, j: (
        u[i - 1, j] + u[(i + 1) % u.shape[0], j] + u[i, j - 1] + u[i, (j + 1) % u.shape[1]] - 4 * u[i, j]
    ),
    derivative=lambda g, result, u: laplacian(g),
    samples=lambda rng: ((rng.normal(size=shape),) for shape in ((4, 5), (1, 3), (17, 33))),
)

# The square root with the slope of a line near 0.
soft = weft.custom_op(
    "soft",
    lambda x, least=1e-3: np.sqrt(np.maximum(x, least)),
    kernel=lambda x, least=1e-3: np.sqrt(np.maximum(x, least)),
    derivative=lambda g, result, x, least=1e-3: np.where(x > least, 0.5 * g / result, 0.0),
    samples=lambda rng: ((rng.uniform(0.1, 2, size=7),), (-rng.uniform(0.1, 2, size=(3, 2)),)),
)


@weft.compile
def smoothed(u, steps):
    """Some steps of diffusion."""
    for _ in range(steps):
        u = u + 0.1 * laplacian(u)
    return soft(u)


def main():
    """Check both operations; find the start that diffusion takes to a target."""
    check_op(laplacian)
    check_op(soft)
    rng = np.random.default_rng(0)
    wanted = smoothed(rng.uniform(0.5, 1.5, (16, 16)), 3)
    loss = weft.compile(weft.value_and_grad(lambda u: np.sum((smoothed(u, 3) - wanted) ** 2)))
    u = np.ones((16, 16))
    first, _ = loss(u)
    for _ in range(200):
        value, gradient = loss(u)
        u -= 1.0 * gradient
    batch = weft.vmap(lambda u: smoothed(u, 3))(np.stack([u, u + 1]))
    print(f"the distance falls from {first:.3f} to {value:.2e}; a batch of two gives {batch.shape}")
    return 0 if value < 1e-2 * first else 1


if __name__ == "__main__":
    raise SystemExit(main())
