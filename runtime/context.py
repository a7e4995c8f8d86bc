"""The native `context`: what a running program may ask of its surroundings.

Holds the record that every program gets as its first argument (DESIGN D16), in the one definition that code
generation, the entry and exports share. Holds no functions: who fills the pointers is the entry
(`weft.backends.cpu.entry`) or, in exports, the library itself.
"""

from weft.runtime.layout import Pointer, Struct, i32, i64


class Context(Struct):
    """First argument of a program. Function pointers may be null in exports.

    `arena` is 64-byte aligned scratch of `arena_bytes`, the program's own until it returns. A program that
    fails stores a code other than 0, a location number and up to three facts, and returns the code.
    """

    arena: Pointer
    arena_bytes: i64
    error_code: i32
    error_location: i32
    error_fact0: i64
    error_fact1: i64
    error_fact2: i64
    parallel_for: Pointer
    """`void (void (*fn)(void *env, int64_t i), void *env, int64_t n)`.

    Runs fn for 0 <= i < n, in any order, on the pool.
    """
    poll: Pointer
    """`int32_t (context *)`.

    Called about every 10 ms or more often (it limits itself); not 0 means stop now and return any code.
    """
    callback: Pointer
    """`int32_t (context *, int64_t site, void *const *pointers, int64_t *numbers)`.

    Python code of the program: prints, callbacks.
    """
    allocate: Pointer
    """`void *(context *, int64_t bytes)`.

    64-byte aligned memory until the program returns; null when there is none.
    """
    driver: Pointer
    """The table of a device driver's functions, or null."""
