"""What compilers call where a CPU lacks an instruction, as LLVM text: 64-bit arithmetic of 32-bit machines.

C compilers link these from a library of their own; exported libraries bring what they use. Names and
signatures are those of the ABIs of ARM (floats in integer registers, whatever others do) and of LLVM for
WebAssembly. Not here: libc.
"""

import re


def machine_code_text(head: str, code: str, body: str = "  ret void\n") -> str:
    """LLVM text of a function whose instructions are given as hexadecimal digits, and end with a return.

    `body` is never run: it is what LLVM is to believe that the function does.
    """
    spelled = "".join(f"\\{byte:02x}" for byte in bytes.fromhex(code))
    prologue = f'prologue [{len(code) // 2} x i8] c"{spelled}"'
    return f"define {head} noinline nounwind {prologue} {{\n{body}}}\n"


_DIVIDE = """define internal { i64, i64 } @weft.divide(i64 %a, i64 %b) noinline nounwind "no-builtins" {
entry:
  %both = or i64 %a, %b
  %high = lshr i64 %both, 32
  %is_short = icmp eq i64 %high, 0
  br i1 %is_short, label %short, label %long
short:
  %a32 = trunc i64 %a to i32
  %b32 = trunc i64 %b to i32
  %q32 = udiv i32 %a32, %b32
  %back = mul i32 %q32, %b32
  %r32 = sub i32 %a32, %back
  %q = zext i32 %q32 to i64
  %r = zext i32 %r32 to i64
  br label %done
long:
  %bit = phi i64 [ 63, %entry ], [ %next_bit, %long ]
  %rest = phi i64 [ 0, %entry ], [ %next_rest, %long ]
  %quotient = phi i64 [ 0, %entry ], [ %next_quotient, %long ]
  %digit = lshr i64 %a, %bit
  %low = and i64 %digit, 1
  %double = shl i64 %rest, 1
  %more = or i64 %double, %low
  %carry = icmp slt i64 %rest, 0
  %enough = icmp uge i64 %more, %b
  %take = or i1 %carry, %enough
  %less = sub i64 %more, %b
  %next_rest = select i1 %take, i64 %less, i64 %more
  %wide = zext i1 %take to i64
  %up = shl i64 %quotient, 1
  %next_quotient = or i64 %up, %wide
  %next_bit = sub i64 %bit, 1
  %is_last = icmp eq i64 %bit, 0
  br i1 %is_last, label %done, label %long
done:
  %final_q = phi i64 [ %q, %short ], [ %next_quotient, %long ]
  %final_r = phi i64 [ %r, %short ], [ %next_rest, %long ]
  %first = insertvalue { i64, i64 } poison, i64 %final_q, 0
  %result = insertvalue { i64, i64 } %first, i64 %final_r, 1
  ret { i64, i64 } %result
}
"""
_UNSIGNED = """define { i64, i64 } @__aeabi_uldivmod(i64 %a, i64 %b) nounwind {
  %r = call { i64, i64 } @weft.divide(i64 %a, i64 %b)
  ret { i64, i64 } %r
}
"""
_SIGNED = """define { i64, i64 } @__aeabi_ldivmod(i64 %a, i64 %b) nounwind {
  %sign_a = ashr i64 %a, 63
  %sign_b = ashr i64 %b, 63
  %flip_a = xor i64 %a, %sign_a
  %flip_b = xor i64 %b, %sign_b
  %size_a = sub i64 %flip_a, %sign_a
  %size_b = sub i64 %flip_b, %sign_b
  %pair = call { i64, i64 } @weft.divide(i64 %size_a, i64 %size_b)
  %q = extractvalue { i64, i64 } %pair, 0
  %r = extractvalue { i64, i64 } %pair, 1
  %sign = xor i64 %sign_a, %sign_b
  %flip_q = xor i64 %q, %sign
  %flip_r = xor i64 %r, %sign_a
  %signed_q = sub i64 %flip_q, %sign
  %signed_r = sub i64 %flip_r, %sign_a
  %first = insertvalue { i64, i64 } poison, i64 %signed_q, 0
  %result = insertvalue { i64, i64 } %first, i64 %signed_r, 1
  ret { i64, i64 } %result
}
"""


def _to_integer(name: str, source: str, *, is_signed: bool) -> str:
    """A float to 64 bits, towards zero: the high half, and what is left."""
    wide = "  %x = fadd double %v, 0.0\n" if source == "double" else "  %x = fpext float %v to double\n"
    sign = (
        "  %is_negative = fcmp olt double %x, 0.0\n  %mask = sext i1 %is_negative to i64\n"
        "  %flipped = xor i64 %sum, %mask\n  %signed = sub i64 %flipped, %mask\n  ret i64 %signed\n"
        if is_signed
        else "  ret i64 %sum\n"
    )
    return f"""define arm_aapcscc i64 @{name}({source} %v) nounwind {{
{wide}  %size = call double @llvm.fabs.f64(double %x)
  %part = fmul double %size, 0x3DF0000000000000
  %high32 = fptoui double %part to i32
  %back = uitofp i32 %high32 to double
  %taken = fmul double %back, 0x41F0000000000000
  %rest = fsub double %size, %taken
  %low32 = fptoui double %rest to i32
  %high = zext i32 %high32 to i64
  %low = zext i32 %low32 to i64
  %up = shl i64 %high, 32
  %sum = or i64 %up, %low
{sign}}}
"""


def _to_double(*, is_signed: bool) -> str:
    """Two exact halves and one rounding."""
    word, shift = ("si", "ashr") if is_signed else ("ui", "lshr")
    return f"""  %high64 = {shift} i64 %n, 32
  %high32 = trunc i64 %high64 to i32
  %low32 = trunc i64 %n to i32
  %high = {word}tofp i32 %high32 to double
  %low = uitofp i32 %low32 to double
  %scaled = fmul double %high, 0x41F0000000000000
  %sum = fadd double %scaled, %low
"""


def _from_integer(name: str, *, is_double: bool, is_signed: bool) -> str:
    """64 bits to a float; for f32 one low bit says whether any was set, so that one rounding counts."""
    if is_double:
        body = _to_double(is_signed=is_signed) + "  ret double %sum\n"
        return f"define arm_aapcscc double @{name}(i64 %n) nounwind {{\n{body}}}\n"
    mask = "ashr i64 %a, 63" if is_signed else "and i64 %a, 0"
    return f"""define arm_aapcscc float @{name}(i64 %a) nounwind {{
  %sign = {mask}
  %flipped = xor i64 %a, %sign
  %size = sub i64 %flipped, %sign
  %is_large = icmp uge i64 %size, 9007199254740992
  %low_bits = and i64 %size, 2047
  %carried = add i64 %low_bits, 2047
  %with = or i64 %size, %carried
  %sticky = and i64 %with, -2048
  %n = select i1 %is_large, i64 %sticky, i64 %size
{_to_double(is_signed=False)}  %single = fptrunc double %sum to float
  %negative = fneg float %single
  %is_negative = icmp ne i64 %sign, 0
  %result = select i1 %is_negative, float %negative, float %single
  ret float %result
}}
"""


_MULTIPLY = """define void @__multi3(ptr %result, i64 %a, i64 %a_high, i64 %b, i64 %b_high) nounwind {
  %a0 = and i64 %a, 4294967295
  %a1 = lshr i64 %a, 32
  %b0 = and i64 %b, 4294967295
  %b1 = lshr i64 %b, 32
  %p00 = mul i64 %a0, %b0
  %p01 = mul i64 %a0, %b1
  %p10 = mul i64 %a1, %b0
  %p11 = mul i64 %a1, %b1
  %c = lshr i64 %p00, 32
  %d = and i64 %p01, 4294967295
  %e = and i64 %p10, 4294967295
  %f = add i64 %c, %d
  %middle = add i64 %f, %e
  %g = lshr i64 %middle, 32
  %h = lshr i64 %p01, 32
  %i = lshr i64 %p10, 32
  %j = add i64 %p11, %h
  %k = add i64 %j, %i
  %l = add i64 %k, %g
  %m = mul i64 %a, %b_high
  %n = mul i64 %a_high, %b
  %o = add i64 %l, %m
  %high = add i64 %o, %n
  %low = mul i64 %a, %b
  store i64 %low, ptr %result, align 8
  %place = getelementptr i8, ptr %result, i32 8
  store i64 %high, ptr %place, align 8
  ret void
}
"""
# Of GNU's x86-64 Windows: touches each page of a stack frame of rax bytes, and changes no register.
# push rcx; push rax; cmp rax, 4096; lea rcx, [rsp+24]; jb 2f; 1: sub rcx, 4096; or qword [rcx], 0;
# sub rax, 4096; cmp rax, 4096; ja 1b; 2: sub rcx, rax; or qword [rcx], 0; pop rax; pop rcx; ret
_TOUCH_STACK = machine_code_text(
    "void @___chkstk_ms()",
    "5150483d00100000488d4c241872194881e90010000048830900482d00100000483d0010000077e74829c1488309005859c3",
)
_TEXTS = {
    "___chkstk_ms": _TOUCH_STACK,
    "__aeabi_uldivmod": _DIVIDE + _UNSIGNED,
    "__aeabi_ldivmod": _DIVIDE + _SIGNED,
    "__multi3": _MULTIPLY,
    **{
        f"__aeabi_{short}2{to}": _to_integer(f"__aeabi_{short}2{to}", source, is_signed=to == "lz")
        for short, source in (("f", "float"), ("d", "double"))
        for to in ("lz", "ulz")
    },
    **{
        f"__aeabi_{what}2{to}": _from_integer(
            f"__aeabi_{what}2{to}", is_double=to == "d", is_signed=what == "l"
        )
        for what in ("l", "ul")
        for to in ("f", "d")
    },
}


def helpers_called(assembly: str) -> str:
    """LLVM text of the helpers whose names stand in `assembly`, each visible; empty if there are none."""
    called = sorted(name for name in _TEXTS if re.search(rf"\b{name}\b", assembly))
    parts = [_TEXTS[name].removeprefix(_DIVIDE) for name in called]
    if any(_DIVIDE in _TEXTS[name] for name in called):
        parts.append(_DIVIDE)
    if any("fabs" in part for part in parts):
        parts.append("declare double @llvm.fabs.f64(double)\n")
    return "".join(parts)
