// Softmax along the middle axis of x [outer, C, inner], and its loss, as minicaffe/ops/softmax.py defines them.
//
// With inner = 1 a block works on each row, its threads joining their results by halves; else a thread works on each
// column, and neighbouring threads read neighbouring numbers. y may be x, and dx may be dy.

#define THREADS 128

__device__ inline Real joined(Real mine, bool sum) {
    __shared__ Real parts[THREADS];
    const int t = (int)threadIdx.x;
    __syncthreads();
    parts[t] = mine;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) {
            const Real other = parts[t + half];
            parts[t] = sum ? parts[t] + other : other > parts[t] ? other : parts[t];
        }
        __syncthreads();
    }
    return parts[0];
}

extern "C" __global__ void forward_rows(const Real* x, Real* y, Index outer, Index C) {
    for (Index row = (Index)blockIdx.x; row < outer; row += (Index)gridDim.x) {
        const Real* in = x + row * C;
        Real* out = y + row * C;
        Real best = in[0], total = 0;
        for (Index c = (Index)threadIdx.x; c < C; c += THREADS) best = in[c] > best ? in[c] : best;
        best = joined(best, false);
        for (Index c = (Index)threadIdx.x; c < C; c += THREADS) {
            out[c] = exp(in[c] - best);
            total += out[c];
        }
        total = joined(total, true);
        for (Index c = (Index)threadIdx.x; c < C; c += THREADS) out[c] /= total;
        __syncthreads();
    }
}

extern "C" __global__ void backward_rows(const Real* y, const Real* dy, Real* dx, Index outer, Index C) {
    for (Index row = (Index)blockIdx.x; row < outer; row += (Index)gridDim.x) {
        Real total = 0;
        for (Index c = (Index)threadIdx.x; c < C; c += THREADS) total += dy[row * C + c] * y[row * C + c];
        total = joined(total, true);
        for (Index c = (Index)threadIdx.x; c < C; c += THREADS)
            dx[row * C + c] = (dy[row * C + c] - total) * y[row * C + c];
        __syncthreads();
    }
}

extern "C" __global__ void forward_columns(const Real* x, Real* y, Index outer, Index C, Index inner) {
    FOR_EACH(i, outer * inner) {
        const Index first = i / inner * C * inner + i % inner, end = first + C * inner;
        Real best = x[first], total = 0;
        for (Index at = first; at < end; at += inner) best = x[at] > best ? x[at] : best;
        for (Index at = first; at < end; at += inner) {
            y[at] = exp(x[at] - best);
            total += y[at];
        }
        for (Index at = first; at < end; at += inner) y[at] /= total;
    }
}

extern "C" __global__ void backward_columns(
    const Real* y, const Real* dy, Real* dx, Index outer, Index C, Index inner) {
    FOR_EACH(i, outer * inner) {
        const Index first = i / inner * C * inner + i % inner, end = first + C * inner;
        Real total = 0;
        for (Index at = first; at < end; at += inner) total += dy[at] * y[at];
        for (Index at = first; at < end; at += inner) dx[at] = (dy[at] - total) * y[at];
    }
}

// The loss of each label, to be added up; `ignored` counts where `ignores` is not 0.
extern "C" __global__ void log_losses(
    const Real* p, const long long* labels, const bool* ignored, Real* losses, Index outer, Index C, Index inner,
    Index ignores) {
    FOR_EACH(i, outer * inner) {
        const Real own = p[(i / inner * C + (Index)labels[i]) * inner + i % inner];
        const Real smallest = (Real)1.1754943508222875e-38;
        losses[i] = ignores && ignored[i] ? (Real)0 : -log(own < smallest ? smallest : own);
    }
}

extern "C" __global__ void log_loss_backward(
    const Real* p, const long long* labels, const bool* ignored, const Real* scale, Real* dx, Index outer, Index C,
    Index inner, Index ignores) {
    FOR_EACH(at, outer * C * inner) {
        const Index i = at / (C * inner) * inner + at % inner;
        const Real one = (Index)labels[i] == at / inner % C ? (Real)1 : (Real)0;
        dx[at] = ignores && ignored[i] ? (Real)0 : (p[at] - one) * *scale;
    }
}
