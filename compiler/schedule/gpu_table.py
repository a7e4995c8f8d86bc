"""The schedules of GPUs, by the kind of target that has them. Not here: the schedules."""

from collections.abc import Callable, Mapping

from weft.compiler.schedule.gpu_pointwise import lower_gpu_pointwise
from weft.compiler.schedule.gpu_rows import lower_gpu_rows
from weft.compiler.schedule.kernel import Kernel
from weft.ir import Builder

GPU_SCHEDULES: Mapping[str, Mapping[str, Callable[[Kernel, Builder], None]]] = {
    "cuda": {"pointwise": lower_gpu_pointwise, "rows": lower_gpu_rows},
}
