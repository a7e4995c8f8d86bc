"""Programs that random testing found to be compiled wrongly, reduced. Each is run as `tests/fuzz` runs its programs.

Arguments are made from the types, i64 ones of 0 and 1, so that they may be indices. Not here: new programs (`test_random.py`).
"""

import warnings

import numpy as np
import pytest

from tests.fuzz.check import PASSES, check_case
from tests.fuzz.data import elements, strided_copy
from tests.fuzz.programs import Case
from weft.ir.dims import evaluate_dim
from weft.ir.text import parse
from weft.ir.types import IndexType
from weft.ir.verify import verify

SIZES = {"n": 5, "m": 3, "k": 4}

CASES = {
    "a condition whose own copy of a carried array is written": """
func @f(%0: f32[3], %1: bool[3], %2: i64[3,6]) -> (bool[3]) into (-1,) stage "tensor" {
  %3 = constant() {type = i64[], value = 0} : i64[]
  %4 = constant() {type = i64[], value = 0} : i64[]
  %5, %6, %7 = while(%4, %0, %1) (%8: i64[], %9: f32[3], %10: bool[3]) {
    %11 = constant() {type = bool[], value = 1} : bool[]
    %12 = broadcast(%11) {shape = (3, 6)} : bool[3,6]
    %13 = scatter(%10, %12, %2) {axes = (0,), mode = "set"} : bool[3]
    %14 = less(%8, %3) : bool[]
    yield(%14)
  } (%15: i64[], %16: f32[3], %17: bool[3]) {
    %18 = constant() {type = i64[], value = 1} : i64[]
    %19 = add(%15, %18) : i64[]
    yield(%19, %0, %17)
  } : i64[], f32[3], bool[3]
  return(%7)
}""",
    "a convolution without channels": """
func @f(%0: i64[10,19,0], %1: i64[3,0,1]) -> (i64[3,0,1]) into (-1,) stage "tensor" {
  %2 = conv(%0, %1) {dilation = (1,), groups = 1, stride = (2,)} : i64[10,9,1]
  %3 = conv_filters(%0, %2) {dilation = (1,), groups = 1, kernel = (3,), stride = (2,)} : i64[3,0,1]
  return(%3)
}""",
    "a_loop_in_a_branch_works_in_a_scalar_from_outside": """
func @f(%0: f64[7], %1: f64[31], %2: bool[], %3: i8[30,31]) -> (bool[]) into (-1,) stage "tensor" {
  %4 = constant() {type = f32[], value = 8.0} : f32[]
  %5, %6 = if(%2) () {
    yield(%4, %3)
  } () {
    %7 = dim() {dim = 0} : index(0)
    %8 = dim() {dim = 4} : index(4)
    %9 = dim() {dim = 1} : index(1)
    %10, %11, %12 = for(%7, %8, %9, %0, %1, %4) {kind = "serial"} (%13: index(i1 in 0..3), %14: f64[7], %15: f64[31], %16: f32[]) {
      yield(%14, %1, %16)
    } : f64[7], f64[31], f32[]
    yield(%12, %3)
  } : f32[], i8[30,31]
  %17 = less(%5, %5) : bool[]
  return(%17)
}""",
    "a scatter that nothing reads": """func @f(%0: i64[30], %1: i64[30], %2: u64[30], %3: u64[9]) -> (i64[30]) stage "tensor" {
  %4 = scatter(%3, %2, %0) {axes = (0,), mode = "set"} : u64[9]
  return(%1)
}""",
    "a part that reads the whole": """func @f[n >= 2](%0: index(n), %1: f64[n+1,1]) -> (f64[n+1,1]) into (1,) stage "tensor" {
  %2 = update(%1, %1) {start = (n, 0), step = (-1, 1)} : f64[n+1,1]
  return(%2)
}""",
    "a scatter into a constant": """func @f(%0: f64[14,7,15], %1: i64[14,7]) -> (f64[15,15]) stage "tensor" {
  %2 = constant() {type = f64[], value = -2.75} : f64[]
  %3 = broadcast(%2) {shape = (15, 15)} : f64[15,15]
  %4 = scatter(%3, %0, %1) {axes = (1,), mode = "set"} : f64[15,15]
  return(%4)
}""",
    "a scatter into a transpose": """func @f(%0: i64[6,6], %1: u32[6,6,64], %2: u32[64,8]) -> (u32[8,64]) stage "tensor" {
  %3 = transpose(%2) {axes = (1, 0)} : u32[8,64]
  %4 = scatter(%3, %1, %0) {axes = (0,), mode = "add"} : u32[8,64]
  return(%4)
}""",
    "a scatter in a branch into a constant outside": """func @f(%0: bool[], %1: i64[], %5: f64[1]) -> (f64[7]) stage "tensor" {
  %2 = constant() {type = f64[], value = 0.5} : f64[]
  %3 = broadcast(%2) {shape = (7,)} : f64[7]
  %4 = if(%0) () {
    yield(%3)
  } () {
    %7 = broadcast(%1) {shape = (1,)} : i64[1]
    %10 = scatter(%3, %5, %7) {axes = (0,), mode = "add"} : f64[7]
    yield(%10)
  } : f64[7]
  return(%4)
}""",
    "an update of an argument with strides": """func @f(%0: u32[65], %1: u32[53]) -> (u32[65]) into (0,) strided (0,) stage "tensor" {
  %2 = update(%0, %1) {start = (54,), step = (-1,)} : u32[65]
  return(%2)
}""",
    "an argument with strides that takes another value": """func @f(%0: f32[15,31], %1: f32[8,31], %2: f32[15,31]) -> (f32[15,31]) into (0,) strided (0,) stage "tensor" {
  %3 = update(%2, %1) {start = (1, 0), step = (1, 1)} : f32[15,31]
  return(%3)
}""",
    "a copy into an argument with strides": """func @f(%0: f32[15,31], %1: f32[15,31]) -> (f32[15,31]) into (0,) strided (0,) stage "tensor" {
  return(%1)
}""",
    "an array constant in every row": """func @f(%0: f32[33,4]) -> (f32[33,4]) stage "tensor" {
  %1 = constant() {type = f32[4], value = array(f32[4], 1.0, 2.0, 3.0, 4.0)} : f32[4]
  %2 = broadcast(%1) {shape = (33, 4)} : f32[33,4]
  return(%2)
}""",
    "padding of one axis, the others merged": """func @f(%0: u32[2,2,2], %1: u32[]) -> (u32[3,2,2]) stage "tensor" {
  %2 = pad(%0, %1) {high = (1, 0, 0), low = (0, 0, 0)} : u32[3,2,2]
  return(%2)
}""",
    "a free op in memory that a kernel copies": """func @f(%0: u16[2], %1: i64[]) -> (i64[3,2]) stage "tensor" {
  %2 = broadcast(%1) {shape = (3, 2)} : i64[3,2]
  %3 = constant() {type = i64[], value = 1} : i64[]
  %4 = broadcast(%3) {shape = (3, 2)} : i64[3,2]
  %5 = remainder(%4, %2) : i64[3,2]
  %6 = gather(%0, %5) {axes = (0,)} : u16[3,2]
  return(%5)
}""",
    "an update with a result in memory": """func @f[n >= 2, m >= 2](%0: i64[m], %1: index(n)) -> (f32[n,m-1,m-1], f32[n-2,m-1,1]) stage "tensor" {
  %2 = constant() {type = f32[], value = -0.5} : f32[]
  %3 = broadcast(%2) {shape = (n, m-1, m-1)} : f32[n,m-1,m-1]
  %4 = slice(%3) {size = (n-2, m-1, 1), start = (1, 0, 0), step = (1, 1, 1)} : f32[n-2,m-1,1]
  %5 = arctan2(%4, %4) : f32[n-2,m-1,1]
  %6 = update(%3, %5) {start = (1, 0, 0), step = (1, 1, 1)} : f32[n,m-1,m-1]
  return(%6, %5)
}""",
    "columns of width 1": """func @f[n >= 2](%0: u64[n,1], %1: index(n)) -> (u64[1]) stage "tensor" {
  %2 = sum(%0) {axis = 0} : u64[1]
  return(%2)
}""",
    "an empty constant": """func @f(%0: i64[3]) -> (f32[0], i64[3]) stage "tensor" {
  %1 = constant() {type = f32[0], value = array(f32[0])} : f32[0]
  %2 = exp(%1) : f32[0]
  return(%2, %0)
}""",
    "a reversed part of a row, whose index is divided below 0": """func @f[k >= 2, n >= 2](%0: i64[k], %1: index(n), %2: i64[n,2,k]) -> (i64[n,2,k]) stage "tensor" {
  %3 = add(%2, %2) : i64[n,2,k]
  %4 = slice(%3) {size = (1, 1, k), start = (n-1, 1, 0), step = (1, 1, 1)} : i64[1,1,k]
  %5 = reshape(%4) {shape = (k,)} : i64[k]
  %6 = update(%5, %0) {start = (k-1,), step = (-1,)} : i64[k]
  %7 = add(%6, %5) : i64[k]
  %8 = update(%5, %7) {start = (k-1,), step = (-1,)} : i64[k]
  %9 = reshape(%8) {shape = (1, 1, k)} : i64[1,1,k]
  %10 = update(%3, %9) {start = (n-1, 1, 0), step = (1, 1, 1)} : i64[n,2,k]
  return(%10)
}""",
    "an axis of one element before sizes of one symbol": """func @f[m >= 2](%0: index(m), %1: f32[1,m-1,2*m-2]) -> (f32[1,m-1,2*m-2]) into (-1,) stage "tensor" {
  %2 = variance(%1) {axis = 0} : f32[m-1,2*m-2]
  %3 = reshape(%2) {shape = (1, m-1, 2*m-2)} : f32[1,m-1,2*m-2]
  %4 = divide(%1, %3) : f32[1,m-1,2*m-2]
  return(%4)
}""",
    "a part of no elements of a convolution": """func @f(%0: i64[34,17,1], %1: i64[3,1,33]) -> (i64[1,0,33]) into (-1,) stage "tensor" {
  %2 = conv(%0, %1) {dilation = (2,), groups = 1, stride = (1,)} : i64[34,13,33]
  %3 = slice(%2) {size = (1, 0, 33), start = (33, 0, 0), step = (1, 1, 1)} : i64[1,0,33]
  return(%3)
}""",
    "a branch under a question to all lanes gives other lanes": """func @f(%0: f32[6], %1: i64[6], %3: f32[1], %4: f32[6]) -> (f32[1]) into (-1,) stage "tensor" {
  %5 = less_equal(%0, %4) : bool[6]
  %6 = iota() {dtype = f32, size = 1} : f32[1]
  %7 = dim() {dim = 0} : index(0)
  %8 = dim() {dim = 5} : index(5)
  %9 = dim() {dim = 1} : index(1)
  %10 = for(%7, %8, %9, %6) {kind = "serial"} (%11: index(i1 in 0..4), %12: f32[1]) {
    %18 = any(%5) {axis = 0} : bool[]
    %19, %20 = if(%18) () {
      %25 = gather(%4, %1) {axes = (0,)} : f32[6]
      yield(%18, %5)
    } () {
      yield(%18, %5)
    } : bool[], bool[6]
    %26 = arctan2(%3, %6) : f32[1]
    yield(%26)
  } : f32[1]
  return(%6)
}""",
    "two arguments exchanged": """func @f(%0: f32[5], %1: f32[5]) -> (f32[5], f32[5]) into (1, 0) stage "tensor" {
  return(%0, %1)
}""",
}


@pytest.mark.parametrize("name", CASES)
def test_reduced_programs(name):
    fn = parse(CASES[name])
    verify(fn)
    rng = np.random.default_rng(1)
    sizes = {s: SIZES[s] for s in fn.symbols}
    arguments = []
    for k, p in enumerate(fn.params):
        if isinstance(p.type, IndexType):
            arguments.append(np.int64(evaluate_dim(p.type.dim, sizes)))
            continue
        shape = [evaluate_dim(d, sizes) for d in p.type.shape]
        array = (
            rng.integers(0, 2, shape)
            if p.type.dtype.name == "i64"
            else elements(rng, p.type.dtype.numpy, shape)
        )
        arguments.append(strided_copy(rng, array) if k in fn.strided else np.asarray(array))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert check_case(Case(fn, arguments, sizes), off=PASSES, matrix=True, loops=True) is not None
