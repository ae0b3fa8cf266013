// Adding rows into chosen places, as minicaffe/ops/accumulate.py defines it.

// One thread for each column, which takes the rows in their order: an index may come several times.
extern "C" __global__ void add_rows(const Real* rows, const long long* index, Real* out, Index R, Index D) {
    FOR_EACH(d, D) {
        for (Index r = 0; r < R; ++r) out[(Index)index[r] * D + d] += rows[r * D + d];
    }
}
