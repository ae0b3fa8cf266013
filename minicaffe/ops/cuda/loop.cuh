// What every kernel here stands on: Real and Index, the types of its numbers and of its places, which are chosen when
// it is compiled, and the loop that shares `count` items out among the threads of a grid of any size.
//
// A kernel owns each number that it writes and adds in one fixed order, so results never depend on how threads are
// scheduled. Arrays are C-contiguous.

#define FOR_EACH(i, count)                                                                  \
    for (Index i = (Index)blockIdx.x * (Index)blockDim.x + (Index)threadIdx.x; i < (count); \
         i += (Index)gridDim.x * (Index)blockDim.x)

#define LOWEST ((Real)-3.4028234663852886e38)

__device__ inline Index at_least(Index x, Index low) { return x > low ? x : low; }
__device__ inline Index at_most(Index x, Index high) { return x < high ? x : high; }
