"""Printed kernels compiled to machine code by NVRTC: what they take, what it says of bad text."""

import pytest
from gpu_programs import chain, lower, program, softmax

from weft.backends.cuda import nvrtc
from weft.backends.cuda.build import CudaBackend
from weft.backends.cuda.emit import emit_program
from weft.backends.cuda.target import named_target
from weft.ir import CodeOptions, CompileError, UnsupportedError
from weft.ir.dims import symbol
from weft.ir.types import F32, F64, tensor
from weft.runtime.interface import Interface

m, n = symbol("m", 2), symbol("n", 2)


def has_nvrtc():
    try:
        nvrtc.load_nvrtc()
    except UnsupportedError:
        return False
    return True


needs_nvrtc = pytest.mark.skipif(
    not has_nvrtc(), reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc, or weft[cuda-test]"
)
PROGRAMS = {
    "chain": (chain, [tensor(F32, n)] * 3),
    "chain of doubles": (chain, [tensor(F64, n)] * 3),
    "softmax": (softmax, [tensor(F32, m, n)]),
    "softmax of short rows": (softmax, [tensor(F32, 512, 1000)]),
    "softmax of long rows": (softmax, [tensor(F32, 16, 10000)]),
    "softmax of doubles": (softmax, [tensor(F64, m, n)]),
}


@needs_nvrtc
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_kernels_become_machine_code_without_spills(name, architecture):
    write, types = PROGRAMS[name]
    target = named_target(architecture)
    source = emit_program(lower(program(types, write), target))
    cubin = nvrtc.compile_text(source.text, target)
    assert cubin.data[:4] == b"\x7fELF"
    assert [k.name for k in cubin.kernels] == [launch.name for launch in source.launches]
    (kernel,) = cubin.kernels
    (launch,) = source.launches
    assert kernel.stack_bytes == kernel.spill_store_bytes == kernel.spill_load_bytes == 0
    assert 0 < kernel.registers <= 64
    assert kernel.shared_bytes - launch.shared_bytes in range(1025)  # newer GPUs keep 1 KiB for themselves


@needs_nvrtc
def test_a_multiply_and_an_add_stay_two():
    """The flags: no fused multiply-add but those that are asked for, denormals kept, division rounded."""
    from gpu_programs import SM_90

    fn = program([tensor(F32, n)] * 2, lambda b, x, y: x * y + x)
    cubin = nvrtc.compile_text(emit_program(lower(fn, SM_90)).text, SM_90)
    assert {"--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"} <= set(nvrtc.FLAGS)
    assert cubin.kernels[0].registers > 0


@needs_nvrtc
def test_text_that_is_refused():
    target = named_target("sm_90")
    with pytest.raises(CompileError, match=r"NVRTC does not take the code of broken.*error") as caught:
        nvrtc.compile_text("__global__ void f() { return 1 +; }", target, "broken")
    assert "1 +;" in caught.value.source
    assert "error" in caught.value.log


@needs_nvrtc
def test_the_backend_makes_an_artifact():
    target = named_target("sm_80")
    backend, interface = CudaBackend(), Interface("program")
    text = backend.emit(lower(program([tensor(F32, n)] * 3, chain), target), interface, target, CodeOptions())
    assert backend.build(text, interface, target).data[:4] == b"\x7fELF"


def test_without_nvrtc_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(nvrtc, "nvrtc_paths", lambda: ["/nowhere/libnvrtc.so"])
    nvrtc.load_nvrtc.cache_clear()
    try:
        with pytest.raises(UnsupportedError, match="pip install nvidia-cuda-nvrtc"):
            nvrtc.compile_text("", named_target("sm_90"))
    finally:
        nvrtc.load_nvrtc.cache_clear()


def test_targets():
    assert named_target("sm_90").kind == "cuda"
    assert named_target("sm_90").lanes(4) == 1
    assert named_target("sm_80").key() != named_target("sm_90").key()
    with pytest.raises(UnsupportedError, match="no target 'sm_20'"):
        named_target("sm_20")


def test_what_is_not_spelled_yet_is_said():
    columns = program([tensor(F32, m, n)], lambda b, x: b.expr(b.emit("sum", [x.value], {"axis": 0}).result))
    with pytest.raises(UnsupportedError, match="there is no schedule 'columns' for cuda yet"):
        lower(columns, named_target("sm_90"))


def test_text_needs_no_llvm():
    """The text of a kernel is made without LLVM, without a driver and without NVRTC."""
    import subprocess
    import sys

    code = (
        "import sys, weft.backends.cuda.emit, weft.backends.cuda.target; assert 'llvmlite' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
