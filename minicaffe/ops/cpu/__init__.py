"""Numba kernels for what NumPy does slowly on a CPU; each module overrides the definitions of its namesake in `ops`.

A kernel is a plain loop nest over flat arrays that works on a range lo..hi of its outermost index. `threads.run` starts
it, `team.divide` has threads share its range: every output element belongs to one item of it and is computed in an
order of its own, so the results do not depend on the number of threads. Numba's `parallel=True` is not used: it
compiles for minutes, and its idle threads spin without end, beside those of BLAS, which do too.
"""
