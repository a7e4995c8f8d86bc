"""Names in C: which are words or functions of the language, and names made of paths in Python.

Not here: what is named.
"""

from __future__ import annotations

import keyword
import re

from weft.ir import UserError

_WORDS = frozenset(
    """alignas alignof and asm auto bool break case catch char class const continue default delete do double
    else enum explicit export extern false float for friend goto if inline int long mutable namespace new not
    operator or private protected public register restrict return short signed sizeof static struct switch
    template this throw true try typedef typename union unsigned using virtual void volatile while xor
    arena state int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
    I NULL EOF errno linux unix""".split()  # macros, the last ones of GNU C
)
_FUNCTIONS = frozenset(
    """abort abs accept access acos acosh aligned_alloc asin asinh asprintf assert atan atan2 atanh
    atexit atof atoi atol atoll bcmp bcopy bind bsearch bzero calloc cbrt ceil close connect copysign
    cos cosh creat dlclose dlopen dlsym dup environ erf erfc exec exit exp exp2 expm1 fabs fclose fdim
    feof ferror fflush fgetc fgets floor fma fmax fmin fmod fopen fork fprintf fputc fputs fread free
    freopen frexp fscanf fseek ftell fwrite getc getchar getenv getpid gets htonl htons hypot ilogb
    index ioctl isalnum isalpha isdigit isfinite isinf islower isnan isspace isupper j0 j1 jn kill labs
    ldexp lgamma link listen llabs llrint llround localtime log log10 log1p log2 logb longjmp lrint
    lround lseek main malloc mbstowcs memchr memcmp memcpy memmove memset mkdir mktime mmap modf munmap
    nan nanosleep nearbyint nextafter open pause perror pipe poll pow printf putc putchar puts qsort
    raise rand random read realloc recv remainder remove rename rewind rindex rint round scalbn scanf
    select send setjmp setlocale signal sin sinh sleep snprintf socket sprintf sqrt srand srandom sscanf
    stat stderr stdin stdout strcat strchr strcmp strcpy strdup strerror strlen strncmp strncpy strrchr
    strstr strtod strtol system tan tanh tgamma time times tmpfile tolower toupper trunc ungetc unlink
    vprintf wait write y0 y1 yn""".split()
)
"""A library that defines one of these takes the place of the one in libc or libm for a whole process."""


def c_name(text: str, taken: set[str]) -> str:
    """A C identifier like `text` that is not taken, and takes it."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "x"
    name = f"x{name}" if name[0].isdigit() else name
    while name in _WORDS or name in taken:
        name += "_"
    taken.add(name)
    return name


def check_name(name: str, what: str) -> str:
    """Raise UserError for a name that C does not take."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, flags=re.ASCII) or name in _WORDS or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot be {what} in C", code="E002", fix='give letters, digits and _, as in name="mlp"'
        )
    return name


def check_symbol(name: str) -> str:
    """Raise UserError for a function that C has already."""
    if name in _FUNCTIONS:
        raise UserError(
            f"the function {name} would take the place of C's own {name}",
            code="E002",
            fix=f'give another name, as in name="my_{name}"',
        )
    return name
