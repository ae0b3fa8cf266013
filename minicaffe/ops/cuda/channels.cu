// Arrays [outer, D, inner] with one number for each of D channels, as minicaffe/ops/channels.py defines them.
//
// A block adds up a channel, each thread every so-manyth of its numbers and then all threads by halves, in double
// precision: the order depends on nothing but the shape.

#define BLOCK 256

__device__ inline double joined(double mine) {
    __shared__ double parts[BLOCK];
    const int t = (int)threadIdx.x;
    __syncthreads();
    parts[t] = mine;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (t < half) parts[t] += parts[t + half];
        __syncthreads();
    }
    return parts[0];
}

// The sums of dy, or of dy where y > 0 if `rectified`; and, if `dotted`, of that times h.
extern "C" __global__ void sums(
    const Real* dy, const Real* y, const Real* h, Real* total, Real* dots, Index outer, Index D, Index inner,
    Index rectified, Index dotted) {
    for (Index d = (Index)blockIdx.x; d < D; d += (Index)gridDim.x) {
        double sum = 0, dot = 0;
        for (Index i = (Index)threadIdx.x; i < outer * inner; i += BLOCK) {
            const Index at = (i / inner * D + d) * inner + i % inner;
            const Real e = rectified ? dy[at] * (y[at] > 0 ? (Real)1 : (Real)0) : dy[at];
            sum += e;
            if (dotted) dot += (double)e * h[at];
        }
        sum = joined(sum);
        dot = joined(dot);
        if (threadIdx.x == 0) {
            total[d] = (Real)sum;
            dots[d] = (Real)dot;
        }
    }
}

extern "C" __global__ void moments(const Real* x, Real* mean, Real* variance, Index outer, Index D, Index inner) {
    const Index count = at_least(outer * inner, 1);
    for (Index d = (Index)blockIdx.x; d < D; d += (Index)gridDim.x) {
        double sum = 0, squares = 0;
        for (Index i = (Index)threadIdx.x; i < outer * inner; i += BLOCK)
            sum += x[(i / inner * D + d) * inner + i % inner];
        const Real m = (Real)(joined(sum) / count);
        for (Index i = (Index)threadIdx.x; i < outer * inner; i += BLOCK) {
            const Real off = x[(i / inner * D + d) * inner + i % inner] - m;
            squares += (double)off * off;
        }
        squares = joined(squares);
        if (threadIdx.x == 0) {
            mean[d] = m;
            variance[d] = (Real)(squares / count);
        }
    }
}

// h = (x - mean) * factor, y = h * gain + bias; each of `has` is whether there is what it stands for.
extern "C" __global__ void normalise(
    const Real* x, const Real* mean, const Real* factor, const Real* gain, const Real* bias, Real* y, Real* kept,
    Index count, Index D, Index inner, Index has_mean, Index has_gain, Index has_bias, Index keeps, Index rectifies) {
    FOR_EACH(i, count) {
        const Index d = i / inner % D;
        Real h = has_mean ? (x[i] - mean[d]) * factor[d] : x[i];
        if (keeps) kept[i] = h;
        if (has_gain) h *= gain[d];
        if (has_bias) h += bias[d];
        y[i] = rectifies && h < 0 ? (Real)0 : h;
    }
}

// The gradient of x, given the sums; `batch`: mean and factor were those of x.
extern "C" __global__ void normalise_backward(
    const Real* dy, const Real* y, const Real* h, const Real* scale, const Real* total, const Real* dots, Real* dx,
    Index count, Index D, Index inner, Real share, Index rectified, Index batch) {
    FOR_EACH(i, count) {
        const Index d = i / inner % D;
        Real e = rectified ? dy[i] * (y[i] > 0 ? (Real)1 : (Real)0) : dy[i];
        if (batch) e = e - h[i] * (dots[d] * share) - total[d] * share;
        dx[i] = e * scale[d];
    }
}
