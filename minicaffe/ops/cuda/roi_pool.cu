// Region of interest pooling, as minicaffe/ops/roi_pool.py defines it: x [N, C, H, W], rois [R, 5], y [R, C, h, w].
//
// How a coordinate is rounded decides which pixels a cell holds, so it is done as there, step by step, in Real.

#define POOL Index N, Index C, Index H, Index W, Index R, Index h, Index w, Real scale

// A coordinate on the feature map: rounded half away from zero, and held within what an integer can count.
__device__ inline long long rounded(Real coordinate, Real scale) {
    Real scaled = coordinate * scale;
    scaled = scaled < (Real)-1e9 ? (Real)-1e9 : scaled > (Real)1e9 ? (Real)1e9 : scaled;
    const Real size = fabs(scaled), whole = floor(size);
    const long long nearest = (long long)whole + (size - whole >= (Real)0.5);
    return scaled < 0 ? -nearest : nearest;
}

// One side of a box: where it begins and ends, and the length of each of its cells.
struct Side {
    long long start, end;
    Real step;
};

__device__ inline Side side(Real start, Real end, Real scale, Index cells) {
    Side s;
    s.start = rounded(start, scale);
    s.end = rounded(end, scale);
    const long long size = s.end - s.start + 1;
    s.step = (Real)(size > 1 ? size : 1) / (Real)cells;
    return s;
}

__device__ inline Index clipped(long long at, Index size) {
    return at < 0 ? 0 : at > size ? size : (Index)at;
}

__device__ inline Index cell_begin(Side s, Index cell, Index size) {
    return clipped((long long)floor((Real)cell * s.step) + s.start, size);
}

__device__ inline Index cell_end(Side s, Index cell, Index size) {
    return clipped((long long)ceil((Real)(cell + 1) * s.step) + s.start, size);
}

// The largest element of a cell, and where in its plane it is: the first of equals, -1 where there is none.
__device__ inline Real largest(
    const Real* x, const Real* roi, Index c, Index i, Index j, Index* picked, POOL) {
    const Side vertical = side(roi[2], roi[4], scale, h), horizontal = side(roi[1], roi[3], scale, w);
    const Index top = cell_begin(vertical, i, H), bottom = cell_end(vertical, i, H);
    const Index left = cell_begin(horizontal, j, W), right = cell_end(horizontal, j, W);
    const Real* plane = x + ((Index)roi[0] * C + c) * H * W;
    Real best = top < bottom && left < right ? LOWEST : (Real)0;
    *picked = -1;
    for (Index row = top; row < bottom; ++row)
        for (Index at = row * W + left; at < row * W + right; ++at)
            if (plane[at] > best) {
                best = plane[at];
                *picked = at;
            }
    return best;
}

extern "C" __global__ void forward(const Real* x, const Real* rois, Real* y, POOL) {
    FOR_EACH(at, R * C * h * w) {
        Index picked;
        y[at] = largest(
            x, rois + at / (C * h * w) * 5, at / (h * w) % C, at / w % h, at % w, &picked, N, C, H, W, R, h, w, scale);
    }
}

// Where each cell found its maximum, -1 if it passes no gradient: because it is empty, or lies outside its box.
extern "C" __global__ void argmax(const Real* x, const Real* rois, int* mask, POOL) {
    FOR_EACH(at, R * C * h * w) {
        const Real* roi = rois + at / (C * h * w) * 5;
        Index picked;
        largest(x, roi, at / (h * w) % C, at / w % h, at % w, &picked, N, C, H, W, R, h, w, scale);
        const long long row = picked / W, column = picked % W;
        const bool inside = row >= rounded(roi[2], scale) && row <= rounded(roi[4], scale) &&
                            column >= rounded(roi[1], scale) && column <= rounded(roi[3], scale);
        mask[at] = picked >= 0 && inside ? (int)picked : -1;
    }
}

// One thread for each element of x: over all regions, it looks at the cells that may hold it.
extern "C" __global__ void backward(const Real* rois, const int* mask, const Real* dy, Real* dx, POOL) {
    FOR_EACH(at, N * C * H * W) {
        const Index row = at / W % H, column = at % W, c = at / (H * W) % C, n = at / (H * W) / C;
        Real sum = 0;
        for (Index r = 0; r < R; ++r) {
            const Real* roi = rois + r * 5;
            if ((Index)roi[0] != n) continue;
            const Side vertical = side(roi[2], roi[4], scale, h), horizontal = side(roi[1], roi[3], scale, w);
            if (row < vertical.start || row > vertical.end || column < horizontal.start || column > horizontal.end)
                continue;
            // One cell more on either side than division says: rounding may have moved their edges.
            const Index i0 = clipped((long long)((Real)(row - vertical.start) / vertical.step) - 1, h);
            const Index i1 = clipped((long long)((Real)(row - vertical.start + 1) / vertical.step) + 2, h);
            const Index j0 = clipped((long long)((Real)(column - horizontal.start) / horizontal.step) - 1, w);
            const Index j1 = clipped((long long)((Real)(column - horizontal.start + 1) / horizontal.step) + 2, w);
            for (Index i = i0; i < i1; ++i)
                for (Index j = j0; j < j1; ++j) {
                    const Index cell = ((r * C + c) * h + i) * w + j;
                    if (mask[cell] == (int)(row * W + column)) sum += dy[cell];
                }
        }
        dx[at] = sum;
    }
}
