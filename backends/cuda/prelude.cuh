// What printed kernels call beside CUDA C's own: integer arithmetic that wraps, without C's undefined cases.
// Needs no header, so that NVRTC compiles it from memory. Not here: mathematics, which the compiler writes out.
#pragma once
#define WEFT_FUNCTION __device__ __forceinline__

// U is an unsigned type that no promotion makes signed.
#define WEFT_INTEGER(T, U)                                                              \
    WEFT_FUNCTION T wrap_add(T a, T b) { return (T)((U)a + (U)b); }                     \
    WEFT_FUNCTION T wrap_subtract(T a, T b) { return (T)((U)a - (U)b); }                \
    WEFT_FUNCTION T wrap_multiply(T a, T b) { return (T)((U)a * (U)b); }                \
    WEFT_FUNCTION T wrap_negative(T a) { return (T)((U)0 - (U)a); }                     \
    WEFT_FUNCTION T wrap_absolute(T a) { return a < (T)0 ? wrap_negative(a) : a; }      \
    WEFT_FUNCTION T shift_left(T a, T b) { return (T)((U)a << (unsigned int)b); }       \
    WEFT_FUNCTION T shift_right(T a, T b) { return (T)(a >> (unsigned int)b); }         \
    WEFT_FUNCTION T divide(T a, T b) { return (T)(a / b); }

WEFT_INTEGER(signed char, unsigned int)
WEFT_INTEGER(short, unsigned int)
WEFT_INTEGER(int, unsigned int)
WEFT_INTEGER(long long, unsigned long long)
WEFT_INTEGER(unsigned char, unsigned int)
WEFT_INTEGER(unsigned short, unsigned int)
WEFT_INTEGER(unsigned int, unsigned int)
WEFT_INTEGER(unsigned long long, unsigned long long)

// floor(a / b) and the remainder of b's sign, for b > 0
WEFT_FUNCTION long long floor_divide(long long a, long long b) { return a / b - (a % b < 0); }
WEFT_FUNCTION long long floor_modulo(long long a, long long b) { return a - floor_divide(a, b) * b; }
WEFT_FUNCTION long long smaller(long long a, long long b) { return a < b ? a : b; }
WEFT_FUNCTION long long larger(long long a, long long b) { return a > b ? a : b; }

// The same bits as another type.
WEFT_FUNCTION float as_float(int a) { return __int_as_float(a); }
WEFT_FUNCTION float as_float(unsigned int a) { return __int_as_float((int)a); }
WEFT_FUNCTION double as_double(long long a) { return __longlong_as_double(a); }
WEFT_FUNCTION double as_double(unsigned long long a) { return __longlong_as_double((long long)a); }
WEFT_FUNCTION int as_integer(float a) { return __float_as_int(a); }
WEFT_FUNCTION long long as_integer(double a) { return __double_as_longlong(a); }
