"""Builtins that go over items, as loops in Python: traced as a function of the user's would be.

Not here: when they are (`builtin.py`).
"""

from __future__ import annotations

from typing import Any


def add_up(items: Any, total: Any) -> Any:
    """`sum(items, total)`."""
    for item in items:
        total = total + item
    return total


def smallest(items: Any, default: Any) -> Any:
    """`min(items)`; `default` holds what none gives, or nothing."""
    best = None
    for item in items:
        if best is None or item < best:
            best = item
    if best is None:
        if len(default) == 1:
            return default[0]
        raise ValueError("min() arg is an empty sequence")
    return best


def largest(items: Any, default: Any) -> Any:
    """`max(items)`; `default` holds what none gives, or nothing."""
    best = None
    for item in items:
        if best is None or item > best:
            best = item
    if best is None:
        if len(default) == 1:
            return default[0]
        raise ValueError("max() arg is an empty sequence")
    return best


def any_of(items: Any) -> Any:
    """`any(items)`."""
    for item in items:
        if item:
            return True
    return False


def all_of(items: Any) -> Any:
    """`all(items)`."""
    for item in items:
        if not item:
            return False
    return True


def place_of(items: Any, value: Any) -> Any:
    """`items.index(value)`, or -1."""
    for place, item in enumerate(items):
        if item == value:
            return place
    return -1


def count_of(items: Any, value: Any) -> Any:
    """`items.count(value)`."""
    found = 0
    for item in items:
        if item == value:
            found += 1
    return found


def contains(items: Any, value: Any) -> Any:
    """`value in items`."""
    for item in items:
        if item == value:
            return True
    return False


def largest_by(items: Any, default: Any, key: Any) -> Any:
    """`max(items, key=key)`; `default` holds what none gives, or nothing."""
    best, found = None, None
    for item in items:
        value = key(item)
        if best is None or value > best:
            best, found = value, item
    if best is None:
        if len(default) == 1:
            return default[0]
        raise ValueError("max() arg is an empty sequence")
    return found


def smallest_by(items: Any, default: Any, key: Any) -> Any:
    """`min(items, key=key)`; `default` holds what none gives, or nothing."""
    best, found = None, None
    for item in items:
        value = key(item)
        if best is None or value < best:
            best, found = value, item
    if best is None:
        if len(default) == 1:
            return default[0]
        raise ValueError("min() arg is an empty sequence")
    return found


def picked(owner: Any, keys: Any, key: Any, missing: Any) -> Any:
    """`owner[key]` where the keys are known."""
    for one in keys:
        if key == one:
            return owner[one]
    raise missing


def append_to(owner: Any, keys: Any, key: Any, value: Any, missing: Any) -> None:
    """`owner[key].append(value)` where the keys are known."""
    found = False
    for one in keys:
        if key == one:
            found = True
            owner[one].append(value)
    if not found:
        raise missing


def extend_one(owner: Any, keys: Any, key: Any, values: Any, missing: Any) -> None:
    """`owner[key].extend(values)` where the keys are known."""
    found = False
    for one in keys:
        if key == one:
            found = True
            owner[one].extend(values)
    if not found:
        raise missing


def from_front(key: Any, count: Any) -> Any:
    """A position as one from the front."""
    return key + count if key < 0 else key


def either(found: Any, value: Any, default: Any) -> Any:
    """`getattr(..., default)` of an attribute that may be there."""
    return value if found else default


def itself(item: Any) -> Any:
    """The key that sorts items by themselves."""
    return item


def mapped(items: Any, fn: Any) -> Any:
    """`[fn(item) for item in items]`."""
    made: list[Any] = []
    for item in items:
        made.append(fn(item))
    return made


def mapped_together(items: Any, fn: Any) -> Any:
    """`[fn(*item) for item in items]`."""
    made: list[Any] = []
    for item in items:
        made.append(fn(*item))
    return made


def filtered(items: Any, fn: Any) -> Any:
    """`[item for item in items if fn(item)]`."""
    made: list[Any] = []
    for item in items:
        if fn(item):
            made.append(item)
    return made


def each(items: Any) -> Any:
    """`list(items)`."""
    made: list[Any] = []
    for item in items:
        made.append(item)
    return made


def place_before(items: Any, value: Any, low: Any, high: Any) -> Any:
    """`bisect.bisect_left`."""
    high = len(items) if high is None else high
    while low < high:
        middle = (low + high) // 2
        if items[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def place_after(items: Any, value: Any, low: Any, high: Any) -> Any:
    """`bisect.bisect_right`."""
    high = len(items) if high is None else high
    while low < high:
        middle = (low + high) // 2
        if value < items[middle]:
            high = middle
        else:
            low = middle + 1
    return low


def insert_sorted(items: Any, place: Any, value: Any) -> None:
    """`bisect.insort`, where the place is known."""
    items.insert(place, value)


def heap_push(heap: Any, item: Any) -> None:
    """`heapq.heappush`, as CPython has it."""
    heap.append(item)
    rise(heap, 0, len(heap) - 1)


def heap_pop(heap: Any) -> Any:
    """`heapq.heappop`."""
    last = heap.pop()
    if len(heap) == 0:
        return last
    found = heap[0]
    heap[0] = last
    sink(heap, 0)
    return found


def heapify(heap: Any) -> None:
    """`heapq.heapify`."""
    for k in range(len(heap) // 2 - 1, -1, -1):
        sink(heap, k)


def rise(heap: Any, start: Any, place: Any) -> None:
    """Move an item towards the root."""
    item = heap[place]
    while place > start:
        above = (place - 1) >> 1
        if not item < heap[above]:
            break
        heap[place] = heap[above]
        place = above
    heap[place] = item


def sink(heap: Any, place: Any) -> None:
    """Move smaller children up until a leaf is free, and an item from there to its place."""
    end, start, item = len(heap), place, heap[place]
    child = 2 * place + 1
    while child < end:
        right = child + 1
        if right < end and not heap[child] < heap[right]:
            child = right
        heap[place] = heap[child]
        place = child
        child = 2 * place + 1
    heap[place] = item
    rise(heap, start, place)


def power_modulo(base: Any, exponent: Any, modulus: Any) -> Any:
    """`pow(base, exponent, modulus)` of ints: by squares, the inverse first if the exponent is negative."""
    if modulus == 0:
        raise ValueError("pow() 3rd argument cannot be 0")
    if abs(modulus) > 3037000499:
        raise OverflowError("pow() 3rd argument is above 3037000499, whose square int64 cannot hold")
    base = base % modulus
    if exponent < 0:
        base, exponent = inverse_modulo(base, modulus), -exponent
    result = 1 % modulus
    while exponent > 0:
        if exponent % 2 == 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent = exponent // 2
    return result


def inverse_modulo(base: Any, modulus: Any) -> Any:
    """`pow(base, -1, modulus)`: Euclid's algorithm, in which base * factor = rest + a multiple of modulus."""
    factor, next_factor = 1, 0
    rest, next_rest = base, modulus
    while next_rest != 0:
        times = rest // next_rest
        factor, next_factor = next_factor, factor - times * next_factor
        rest, next_rest = next_rest, rest - times * next_rest
    if abs(rest) != 1:
        raise ValueError("base is not invertible for the given modulus")
    return factor * rest % modulus
