// Non-maximum suppression, as minicaffe/ops/nms.py defines it, over boxes [R, 4] in falling order of their scores.
//
// First a bit for every pair says whether the one would suppress the other; then one block goes through the boxes in
// their order and takes from each that is still there all that it suppresses.

typedef unsigned long long Word;

__device__ inline Real overlap(const Real* a, const Real* b) {
    const Real left = a[0] > b[0] ? a[0] : b[0], top = a[1] > b[1] ? a[1] : b[1];
    const Real right = a[2] < b[2] ? a[2] : b[2], bottom = a[3] < b[3] ? a[3] : b[3];
    const Real w = right - left + 1, h = bottom - top + 1;
    const Real intersection = (w > 0 ? w : 0) * (h > 0 ? h : 0);
    const Real area = (a[2] - a[0] + 1) * (a[3] - a[1] + 1), other = (b[2] - b[0] + 1) * (b[3] - b[1] + 1);
    return intersection / (area + other - intersection);
}

// Word k of row i: which of the boxes 64 k to 64 k + 63 come after box i, are of its group, and overlap it too much.
// Of one group are boxes with the same K numbers in `keys` [R, K].
extern "C" __global__ void pairs(
    const Real* boxes, const Real* keys, Word* suppressed, Index R, Index K, Index words, Real limit) {
    FOR_EACH(at, R * words) {
        const Index i = at / words, first = at % words * 64;
        Word bits = 0;
        for (Index j = at_least(first, i + 1); j < at_most(first + 64, R); ++j) {
            bool together = true;
            for (Index k = 0; k < K; ++k) together = together && keys[i * K + k] == keys[j * K + k];
            if (together && overlap(boxes + 4 * i, boxes + 4 * j) > limit) bits |= (Word)1 << (j - first);
        }
        suppressed[at] = bits;
    }
}

// To be run by one block. `gone` [words] begins at zero.
extern "C" __global__ void sweep(const Word* suppressed, Word* gone, bool* kept, Index R, Index words) {
    for (Index i = 0; i < R; ++i) {
        const bool stays = !(gone[i / 64] >> (i % 64) & 1);
        __syncthreads();
        if (threadIdx.x == 0) kept[i] = stays;
        if (stays)
            for (Index k = i / 64 + (Index)threadIdx.x; k < words; k += (Index)blockDim.x)
                gone[k] |= suppressed[i * words + k];
        __syncthreads();
    }
}
