"""One small program per construct of Python's control flow, and their pairs: compiled against plain Python.

Value, kind, arguments after the call, and exceptions are compared, at two sizes.
"""

import copy

import numpy as np
import pytest

import weft
from tests.frontend.running import same


def outcome(fn, args):
    args = copy.deepcopy(args)
    try:
        with np.errstate(all="ignore"):
            return fn(*args), args, None
    except Exception as error:
        return None, args, error


def agree(fn, *args, tolerance=1e-12):
    """Compare a compiled call with a plain one."""
    expected, plain, error = outcome(fn, args)
    compiled = fn if getattr(fn, "is_weft_function", False) else weft.compile(fn)
    found, ours, problem = outcome(compiled, args)
    if problem is not None and error is None:
        raise problem
    assert type(problem) is type(error)
    assert error is None or str(problem) == str(error).partition("\n")[0]  # pytest adds lines to assertions
    same(found, expected, tolerance, "result")
    same(ours, plain, tolerance, "arguments")
    return compiled


PROGRAMS = []


def program(*cases):
    """Note a program with the arguments of each case; none: one array of 7 numbers, and one of 12."""

    def add(fn):
        PROGRAMS.extend((fn, case) for case in cases or ((ramp(7),), (ramp(12),)))
        return fn

    return add


def ramp(n):
    return np.arange(float(n))


def mixed(n, seed=3):
    return np.random.default_rng(seed).normal(size=n)


# ---------------------------------------------------------------- if


@program((ramp(5),), (ramp(5) + 3,))
def if_binds_a_name(x):
    if x[0] > 1:
        y = x[1]
    else:
        y = x[2] * 2
    return y


@program((ramp(5),), (ramp(5) + 3,))
def if_writes_an_array(x):
    if x[0] > 1:
        x[2] = 7
    return x.sum()


@program((ramp(5),), (ramp(5) + 1,), (ramp(5) + 3,))
def if_elif_else(x):
    if x[0] > 2:
        k = 1
    elif x[0] > 0:
        k = 2
    else:
        k = 3
    return k


@program((ramp(5),), (ramp(5) + 3,))
def if_without_else_rebinds(x):
    y = x * 2
    if y.sum() > 30:
        y = y / y.sum()
    return y


@program((ramp(5),), (ramp(5) + 3,))
def if_joins_a_weak_number_with_a_scalar(x):
    y = 0
    if x[0] > 1:
        y = x[1]
    return x * y


@program((ramp(5).astype(np.float32),), (ramp(5).astype(np.float32) + 3,))
def if_joins_a_weak_number_with_float32(x):
    y = 0.5
    if x[0] > 1:
        y = x[1] * 3
    return x * y


@program((ramp(5),), (ramp(5) + 3,))
def if_keeps_equal_static_values(x):
    if x[0] > 1:
        axis, z = 0, x[1]
    else:
        axis, z = 0, x[2]
    return x.sum(axis=axis) + z


@program((ramp(5),), (ramp(5) + 3,))
def if_nested(x):
    if x[0] > 1:
        if x[1] > 10:
            y = 1.0
        else:
            y = 2.0
            x[1] = 0
    else:
        y = 3.0
    return y


@program((ramp(5),), (ramp(5) + 3,))
def if_joins_tuples(x):
    if x[0] > 1:
        pair = x[0], x * 2
    else:
        pair = x[1], x * 3
    return pair[0] + pair[1]


@program((ramp(5),), (ramp(5) + 3,))
def if_changes_a_dict(x):
    state = {"a": x[0], "b": 1.0}
    if x[0] > 1:
        state["a"] = state["a"] * 2
        state["b"] = 5.0
    return state["a"] + state["b"]


@program((ramp(5),), (ramp(5) + 3,))
def if_changes_a_list(x):
    state = [x[0], x[1]]
    if x[0] > 1:
        state[1] = state[0] + 1
    return state[0], state[1]


@program((ramp(5),), (ramp(5) + 3,))
def if_early_return(x):
    if x[0] > 1:
        return x[0] * 2
    return x[1]


@program((ramp(5),), (ramp(5) + 3,))
def if_returns_arrays(x):
    if x.sum() > 12:
        return x * 2
    y = x + 1
    return y


def helper_with_branch(x, k):
    if x[k] > 2:
        x[k] = -1
        return True
    return False


@program((ramp(5),), (ramp(5) + 3,))
def mutation_in_a_helper_called_in_a_branch(x):
    done = 0
    if x[0] >= 0:
        if helper_with_branch(x, 1):
            done = 1
        elif helper_with_branch(x, 3):
            done = 2
    return done


@program((ramp(5),), (ramp(5) + 3,))
def name_defined_in_one_branch_only(x):
    if x[0] > 1:
        y = x[1]
    return y


@program((3,), (50,))
def if_on_ints(n):
    if n > 10:
        return n - 10
    return n * 2


@program((ramp(6),), (ramp(6) - 9,))
def conditional_expression(x):
    return x[1] if x[0] >= 0 else -x[2]


@program((ramp(6),), (ramp(6) - 9,))
def conditional_expression_of_arrays(x):
    return x * 2 if x[0] >= 0 else x + 1


@program((ramp(6),), (ramp(6) - 9,))
def and_or_not(x):
    a = x[0] >= 0 and x[1] < 5
    b = x[0] > 3 or x[5] > 3
    return (1 if a else 0) + (2 if b else 0) + (4 if not a else 0)


@program((ramp(6),), (ramp(6) - 9,))
def and_gives_an_operand(x):
    return x[0] and x[1]


@program((ramp(6),), (ramp(6) - 9,))
def or_gives_an_operand(x):
    return x[0] or x[1]


@program((ramp(6),), (ramp(6) - 9,))
def comparison_chain(x):
    return 1.0 if -2 < x[0] < x[1] <= 5 else 2.0


@program((ramp(6), 2), (ramp(6), 6), (ramp(6), 90))
def and_guards_an_index(x, k):
    total = x[0] * 0
    for i in range(10):
        if i < len(x) and x[i] > k:
            total += x[i]
    return total


# ---------------------------------------------------------------- for


@program()
def for_sums(x):
    s = 0
    for i in range(len(x)):
        s += x[i]
    return s


@program()
def for_over_an_array(x):
    s = 0.0
    for v in x:
        s = s * 0.5 + v
    return s


@program((np.arange(15.0).reshape(5, 3),), (np.arange(24.0).reshape(8, 3),))
def for_over_rows(x):
    s = np.zeros(3)
    for row in x:
        s = s + row * 2
    return s


@program((np.arange(15.0).reshape(5, 3),), (np.arange(24.0).reshape(8, 3),))
def for_writes_through_rows(x):
    for row in x:
        row[1] = row[0] + row[2]
    return x


@program()
def for_enumerate(x):
    s = 0
    for i, v in enumerate(x):
        s += i * v
    return s


@program()
def for_enumerate_from_one(x):
    s = 0
    for i, v in enumerate(x, 1):
        s += i * v
    return s


@program((ramp(6), ramp(8) + 1), (ramp(9), ramp(8) + 1))
def for_zip(x, y):
    s = 0.0
    for a, b in zip(x, y):  # noqa: B905 -- the shorter one ends it
        s += a * b
    return s


@program()
def for_reversed(x):
    s = 0.0
    for v in reversed(x):
        s = s / 2 + v
    return s


@program()
def for_reversed_range(x):
    for i in reversed(range(len(x) - 1)):
        x[i] += x[i + 1]


@program()
def for_backwards(x):
    for i in range(len(x) - 2, -1, -1):
        x[i] += x[i + 1]
    return x


@program()
def for_by_steps(x):
    for i in range(0, len(x), 2):
        x[i] = -x[i]
    return x


@program()
def for_by_negative_steps(x):
    s = 0.0
    for i in range(len(x) - 1, 0, -3):
        s = s * 2 + x[i]
    return s


@program((ramp(9), 2), (ramp(9), 4))
def for_by_a_step_argument(x, k):
    s = 0.0
    for i in range(0, len(x), k):
        s = s * 2 + x[i]
    return s


@program()
def for_triangle(x):
    s = 0.0
    for i in range(len(x)):
        for j in range(i):
            s += x[i] * x[j]
    return s


@program()
def for_bounds_from_both(x):
    c = 0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            c += i * j
    return c


@program((np.array([0, 2, 5, 6]), ramp(6)), (np.array([0, 0, 1, 6]), ramp(6)))
def for_bounds_from_elements(starts, x):
    y = np.zeros(len(starts) - 1)
    for r in range(len(starts) - 1):
        for k in range(starts[r], starts[r + 1]):
            y[r] += x[k]
    return y


@program()
def for_no_iterations(x):
    s = 5.0
    for i in range(len(x), 3):
        s += x[i]
    return s


@program()
def for_else(x):
    for i in range(len(x)):
        if x[i] > 100:
            break
    else:
        return -1
    return i


@program((ramp(9), 4.0), (ramp(9), 40.0))
def for_break(x, limit):
    s = 0.0
    for i in range(len(x)):
        if x[i] > limit:
            break
        s += x[i]
    return s


@program((ramp(9), 4.0), (ramp(9), 40.0))
def for_break_and_loop_variable_after(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            break
    return i


@program()
def for_loop_variable_after(x):
    for i in range(len(x)):
        x[i] += 1
    return i


@program()
def for_continue(x):
    s = 0.0
    for v in x:
        if v == 2:
            continue
        s = s * 2 + v
    return s


@program((ramp(9), 4.0), (ramp(9), 40.0))
def for_return(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            return i
    return -1


@program((ramp(9), 11.0), (ramp(9), 400.0))
def for_return_from_nested(x, limit):
    for i in range(len(x)):
        for j in range(len(x)):
            if x[i] + x[j] > limit:
                return i, j
    return -1, -1


@program((ramp(9), 4.0), (ramp(9), 40.0))
def for_break_else(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            break
    else:
        return -x[0]
    return x[i]


@program()
def for_inner_break_goes_on(x):
    s = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if j > i:
                break
            s += x[j]
        s = s / 2
    return s


@program()
def for_break_and_continue(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] < 2:
            continue
        if x[i] > 5:
            break
        s += x[i]
    return s


@program()
def for_tuple_swap(x):
    a, b = 0, 1
    for _ in range(len(x) * 3):
        a, b = b, a + b
    return a


@program()
def for_carries_an_array(x):
    y = x
    for _ in range(6):
        y = y * 0.5 + x
    return y


@program()
def for_swaps_arrays(x):
    u, v = x.copy(), np.zeros_like(x)
    for _ in range(9):
        v[1:-1] = (u[:-2] + u[2:]) / 2
        u, v = v, u
    return u


@program((ramp(9), mixed(9)), (ramp(12), mixed(12)))
def for_swaps_arguments(x, y):
    for _ in range(len(x)):
        y[1:-1] = x[:-2] + x[2:]
        x, y = y, x
    y[0] = 100
    return x, y


@program((mixed(9), np.zeros(9), 30), (mixed(9), np.zeros(9), 31), (mixed(9), np.zeros(9), 32))
def for_rotates_arrays(x, y, n):
    z = np.ones_like(x)
    for _ in range(2, n):
        z[1:-1] = 0.5 * (x[:-2] + y[2:]) - z[1:-1] * 0.1
        x, y, z = y, z, x
    return x.sum(), y + z


@program((ramp(9), np.zeros(9), 40), (ramp(12), np.zeros(12), 41), (ramp(12), np.zeros(12), 0))
def while_swaps_arguments(x, y, n):
    count = 0
    while count < n and x[1] < 5.0:
        y[1:-1] = x[:-2] + x[2:]
        x, y = y, x
        count += 1
    return x.sum(), y[1], count


@program((ramp(9), np.zeros(9)), (mixed(12), np.zeros(12)))
def for_swaps_until_a_break(x, y):
    count = 0
    for _ in range(50):
        count += 1
        y[1:-1] = 0.5 * (x[:-2] + x[2:])
        change = np.abs(y - x).max()
        x, y = y, x
        if change < 0.05:
            break
    return count, x * 2


@program((np.ones((6, 9)), 3), (np.ones((6, 9)), 4))
def for_swaps_in_a_loop(a, n):
    b = np.zeros_like(a)
    for k in range(n):
        for j in range(40 - k):
            b[1:, k] = a[:-1, k] + j
            a, b = b, a
    return b


@program((ramp(24), mixed(24)), (ramp(25), mixed(25)), (ramp(26), mixed(26)))
def for_swaps_in_both_loops(x, y):
    n = len(x)
    for _ in range(n):
        for _ in range(0, n, 2):
            y[1:] = x[:-1] * 0.5
            x, y = y, x
        x[0] = 1.0 - y[0]
    return x, y


@program()
def for_in_place_and_alias(x):
    y = x[1:]
    for i in range(5):
        y[i] += x[i]
    return x


@program()
def for_slices_by_index(x):
    for i in range(1, len(x) - 1):
        x[i] = x[i - 1 : i + 2].sum()
    return x


@program()
def for_growing_slices(x):
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        y[i] = x[:i].sum()
    return y


@program((np.arange(30.0).reshape(5, 6),), (np.arange(36.0).reshape(6, 6),))
def for_columns(x):
    for j in range(1, x.shape[1]):
        x[:, j] += x[:, j - 1]
    return x


@program((np.arange(30.0).reshape(5, 6),), (np.arange(36.0).reshape(6, 6),))
def for_stencil_in_place(x):
    for _ in range(6):
        for i in range(1, x.shape[0] - 1):
            for j in range(1, x.shape[1] - 1):
                x[i, j] = 0.25 * (x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])
    return x


@program()
def for_mixed_weak_types(x):
    n, s = 0, 0
    for v in x:
        if v > 2:
            n += 1
        s += v
    return n, s


@program()
def for_int_becomes_float(x):
    s = 0
    for i in range(len(x)):
        s = s + i / 2
    return s


@program()
def for_counter_as_index(x):
    k = 0
    y = np.zeros(len(x))
    for i in range(len(x)):
        if x[i] > 2:
            y[k] = x[i]
            k += 1
    return y, k


@program()
def for_state_in_a_dict(x):
    state = {"h": x * 0, "n": 0}
    for i in range(6):
        state["h"] = state["h"] * 0.5 + x[i]
        state["n"] += i
    return state["h"], state["n"]


class Counter:
    def __init__(self):
        self.n = 0
        self.total = 0.0

    def add(self, v):
        self.n += 1
        self.total += v


@program()
def for_state_in_an_object(x):
    counter = Counter()
    for v in x:
        if v > 1:
            counter.add(v)
    return counter.n, counter.total


@program()
def for_over_a_list(x):
    s = 0.0
    for weight in [1.0, 2.0, 3.0]:
        s += weight * x[1]
    return s


@program()
def for_indexes_a_list(x):
    names = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    s = 0.0
    for i in range(6):
        s += names[i] * x[i]
    return s


@program()
def for_appends(x):
    found = []
    for i in range(6):
        found.append(x[i] * 2)
    return found


@program()
def for_comparisons_of_indices(x):
    s = 0.0
    for i in range(len(x)):
        if i % 2 == 0:
            s += x[i]
        elif i > 3:
            s -= 1
    return s


@program()
def for_name_only_in_loop(x):
    for i in range(len(x)):
        t = x[i] * 2
        x[i] = t + 1
    return t


@program()
def for_name_under_if(x):
    for i in range(len(x)):
        if x[i] > 2:
            found = i
    return found


@program(
    (ramp(6) - 20,),
)
def for_name_never_bound(x):
    for i in range(len(x)):
        if x[i] > 2:
            found = i
    return found


@program()
def for_maximum(x):
    best, place = -np.inf, -1
    for i in range(len(x)):
        if x[i] > best:
            best, place = x[i], i
    return best, place


@program()
def for_min_max_abs(x):
    lo, hi = x[0], x[0]
    for v in x:
        lo = min(lo, v - 3)
        hi = max(hi, abs(v))
    return lo, hi


@program()
def for_closure(x):
    def step(a):
        return a * 0.5 + x[0]

    s = 1.0
    for _ in range(8):
        s = step(s)
    return s


@program()
def for_in_a_helper(x):
    return for_sums(x) + for_sums(x * 2)


# ---------------------------------------------------------------- while


@program((27,), (1,), (6,))
def while_collatz(n):
    k = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        k += 1
    return k


@program((ramp(3) + 2,), (ramp(3) + 200,))
def while_newton(x):
    r = x[0]
    while abs(r * r - 2) > 1e-12:
        r = (r + 2 / r) / 2
    return r


@program()
def while_index(x):
    i = 0
    while i < len(x) and x[i] < 4:
        i += 1
    return i


@program()
def while_true_break(x):
    i = 0
    while True:
        if x[i] >= 3:
            break
        i += 1
    return i


@program((ramp(4), 10.0), (ramp(4), -1.0))
def while_else(x, limit):
    s = x[0]
    while s < limit:
        s += x[1]
    else:
        s = -s
    return s


@program((ramp(4), 10.0), (ramp(4), -1.0))
def while_break_inside_if(x, limit):
    s, k = x[0], 0
    while s < limit:
        s += x[2]
        k += 1
        if k > 3:
            if s > 7:
                break
    return s, k


@program((ramp(4), 10.0), (ramp(4), 100.0))
def while_return(x, limit):
    s = 0.0
    while s < 50:
        s += x[3]
        if s > limit:
            return s
    return -s


@program()
def while_writes(x):
    k = 0
    while x.sum() < 500:
        x[k] += 10
        k = (k + 1) % 3
    return k


@program()
def while_inside_for(x):
    total = 0
    for i in range(len(x)):
        v = x[i]
        while v > 1:
            v = v / 2
            total += 1
    return total


@program()
def while_euclid(x):
    a, b = len(x) * 12, 18
    while b:
        a, b = b, a % b
    return a


@program()
def while_concrete(x):
    names = ["a", "b", "c"]
    s = 0.0
    while names:
        names.pop()
        s += x[1]
    return s


# ---------------------------------------------------------------- errors of the program


@program((ramp(4),), (ramp(4) - 2,), (ramp(4) + 9,))
def raises_and_asserts(x):
    if x[0] > 5:
        raise ValueError("too big")
    assert x[1] >= 0, "negative"
    return x.sum()


@program((ramp(8), 50.0), (ramp(8), 3.0))
def raises_in_a_loop(x, limit):
    s = 0.0
    for i in range(len(x)):
        if x[i] > limit:
            raise KeyError("limit")
        s += x[i]
    return s


@program((ramp(8), 2), (ramp(8), 0))
def divides_ints(x, k):
    s = 0
    for i in range(len(x)):
        s += (i * 3) // (k + i) if k else i % (k * i)
    return s


@program((ramp(4), 2.0), (ramp(4), 0.0))
def divides_floats(x, d):
    return 1.0 / d


# ---------------------------------------------------------------- numbers


@program()
def ints_that_change(x):
    k = 1
    for i in range(len(x)):
        k = (k * 7 + i) % 31
        k ^= i & 3
        k |= 1 << (i % 4)
    return k, k / 2, -k, k**2


@program((mixed(5),), (mixed(5, 4) * 10,))
def conversions(x):
    a = float(x[0])
    b = int(x[1] * 10)
    c = bool(x[2] > 0)
    return a, b, c, round(a), divmod(b, 3), float(b)


@program((mixed(5),), (mixed(5, 4) * 10,))
def any_and_all(x):
    return any([x[0] > 0, x[1] > 0]), all([x[0] > -9, x[1] < 9]), any(x > 0)


@program((7,), (9,), (11,), (300,))
def remainders_of_an_index(n):
    s = 0
    for i in range(n):
        if i % 4 == 3:
            s += i
        if (i * 2) % 5 <= 3:
            s += 100
        if i // 3 == 1 or min(i, 4) < 4:
            s += 10000
    return s


@pytest.mark.parametrize(
    ("fn", "args"), PROGRAMS, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(PROGRAMS)]
)
def test_program(fn, args):
    agree(fn, *args)
