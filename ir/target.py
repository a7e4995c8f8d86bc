"""`Target`: the facts about a machine that schedules and backends share.

Numbers and names alone: how a machine is recognized is a backend's business (`weft.backends.cpu.target`), and
what a schedule makes of the facts is the compiler's. Not here: devices, which are instances of a target
(`runtime`).
"""

from weft.ir.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What code is made for. Every field is part of the cache key, since the whole record is.

    `cpu` and `features` are in LLVM's spelling; "host" and "" stand for this machine, whose features are
    `flags`. `vector_bytes` is the width of a vector register, 0 where threads are the lanes. `has_rounding`
    says that floor, ceil, trunc and rint are instructions, `has_half` that float16 is converted by one.
    Without `has_fused_products` matrix products round each product before they add it, for machines where a
    fused multiply-add takes dozens of instructions. `ops` are the loop-level operations that the backend
    spells (DESIGN D10).
    """

    triple: str
    cpu: str = "host"
    features: str = ""
    flags: frozenset[str] = frozenset()
    kind: str = "cpu"
    vector_bytes: int = 16
    vector_registers: int = 16
    has_fma: bool = False
    has_masked_memory: bool = False
    has_gather: bool = False
    has_rounding: bool = False
    has_half: bool = False
    has_fused_products: bool = True
    l1_bytes: int = 32 * 1024
    l2_bytes: int = 512 * 1024
    l3_bytes: int = 8 * 1024 * 1024
    line_bytes: int = 64
    ops: frozenset[str] = frozenset()

    @property
    def architecture(self) -> str:
        """The first part of the triple."""
        return self.triple.split("-")[0]

    @property
    def pointer_bytes(self) -> int:
        """Of an address: 4 on ARM before version 8 and on WebAssembly."""
        return 4 if self.architecture.startswith(("arm", "wasm32")) and self.architecture != "arm64" else 8

    @property
    def system(self) -> str:
        """linux, android, windows, macos, or wasm for none."""
        known = ("android", "windows", "macos", "darwin", "wasm")
        found = next((name for name in known if name in self.triple), "linux")
        return "macos" if found == "darwin" else found

    def lanes(self, size_bytes: int) -> int:
        """How many elements of this size a vector register holds, at least 1."""
        return max(self.vector_bytes // size_bytes, 1)

    def key(self) -> str:
        """A text that is equal for equal targets, for the cache key."""
        parts = (
            self.triple,
            self.cpu,
            self.features,
            ",".join(sorted(self.flags)),
            self.vector_bytes,
            self.vector_registers,
        )
        sizes = (self.l1_bytes, self.l2_bytes, self.l3_bytes, self.line_bytes)
        has = (self.has_fma, self.has_masked_memory, self.has_gather, self.has_rounding, self.has_half,
               self.has_fused_products)  # fmt: skip
        return "|".join(map(str, (self.kind, *parts, *sizes, *has)))
