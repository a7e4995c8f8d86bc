"""The call of a compiled function: its arguments bound, a variant found or made, the results finished.

Not here: the transformations and libraries over compiled functions (the modules of `weft` itself), the passes
(`weft.compiler`), the memory and threads of a call (`weft.runtime`).
"""
