"""Numba kernels for what NumPy does slowly on a CPU; each module overrides the definitions of its namesake in `ops`.

A kernel is a plain loop nest over flat arrays that works on a range lo..hi of its outermost index. `threads.split`
gives the ranges to threads: a kernel releases the interpreter's lock, and every output element belongs to one range and
is computed in an order of its own, so the results do not depend on the number of threads. Numba's `parallel=True` is
not used: its idle threads spin, which slows the threads of BLAS, called in turn with them, by an order of magnitude.
"""
