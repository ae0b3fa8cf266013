// Pooling over the planes of x [P, H, W] into y [P, h, w], as minicaffe/ops/pooling.py defines it.

#define WINDOW                                                                                          \
    Index P, Index H, Index W, Index h, Index w, Index kh, Index kw, Index sh, Index sw, Index ph, Index pw

#define OUTPUT(i)                                                                                       \
    const Index y0 = i / w % h * sh - ph, x0 = i % w * sw - pw;                                         \
    const Index top = at_least(y0, 0), bottom = at_most(y0 + kh, H);                                    \
    const Index left = at_least(x0, 0), right = at_most(x0 + kw, W);                                    \
    const Real* plane = x + i / (h * w) * H * W

extern "C" __global__ void max_forward(const Real* x, Real* y, int* mask, WINDOW) {
    FOR_EACH(i, P * h * w) {
        OUTPUT(i);
        Real best = LOWEST;
        Index picked = -1;
        for (Index row = top; row < bottom; ++row)
            for (Index at = row * W + left; at < row * W + right; ++at)
                if (plane[at] > best) {
                    best = plane[at];
                    picked = at;
                }
        y[i] = best;
        mask[i] = (int)picked;
    }
}

// The size along one axis of the window that begins at `start`: it may end `pad` beyond the image.
__device__ inline Index extent(Index start, Index kernel, Index size, Index pad) {
    return at_least(at_most(start + kernel, size + pad) - start, 1);
}

extern "C" __global__ void ave_forward(const Real* x, Real* y, WINDOW) {
    FOR_EACH(i, P * h * w) {
        OUTPUT(i);
        Real sum = 0;
        for (Index row = top; row < bottom; ++row)
            for (Index at = row * W + left; at < row * W + right; ++at) sum += plane[at];
        y[i] = sum / (Real)(extent(y0, kh, H, ph) * extent(x0, kw, W, pw));
    }
}

// `draws` are doubles whatever Real is: they come from the layer's random stream.
extern "C" __global__ void stochastic_forward(const Real* x, const double* draws, Real* y, int* mask, WINDOW) {
    FOR_EACH(i, P * h * w) {
        OUTPUT(i);
        Real total = 0, running = 0, found = 0;
        for (Index row = top; row < bottom; ++row)
            for (Index at = row * W + left; at < row * W + right; ++at) total += plane[at];
        const double threshold = draws[i] * (double)total;
        Index picked = -1;
        for (Index row = top; row < bottom && picked < 0; ++row)
            for (Index at = row * W + left; at < row * W + right && picked < 0; ++at) {
                running += plane[at];
                if ((double)running >= threshold) {
                    found = plane[at];
                    picked = at;
                }
            }
        y[i] = found;
        mask[i] = (int)picked;
    }
}

extern "C" __global__ void expected_forward(const Real* x, Real* y, WINDOW) {
    FOR_EACH(i, P * h * w) {
        OUTPUT(i);
        Real total = 0, squares = 0;
        for (Index row = top; row < bottom; ++row)
            for (Index at = row * W + left; at < row * W + right; ++at) {
                total += plane[at];
                squares += plane[at] * plane[at];
            }
        y[i] = total > 0 ? squares / total : squares * 0;
    }
}

// The windows that see a pixel, gathered tap by tap: output (i, j) sees it through tap (ky, kx).
#define FOR_EACH_WINDOW(pixel)                                                                          \
    const Index row = pixel / W % H, column = pixel % W;                                                \
    const Index first = pixel / (H * W) * h * w;                                                        \
    for (Index ky = 0; ky < kh; ++ky)                                                                   \
        for (Index kx = 0; kx < kw; ++kx) {                                                             \
            const Index y0 = row + ph - ky, x0 = column + pw - kx;                                      \
            if (y0 < 0 || x0 < 0 || y0 % sh || x0 % sw) continue;                                       \
            const Index i = y0 / sh, j = x0 / sw;                                                       \
            if (i >= h || j >= w) continue;

extern "C" __global__ void max_backward(const Real* dy, const int* mask, Real* dx, WINDOW) {
    FOR_EACH(pixel, P * H * W) {
        Real sum = 0;
        FOR_EACH_WINDOW(pixel)
            const Index at = first + i * w + j;
            if (mask[at] == (int)(row * W + column)) sum += dy[at];
        }
        dx[pixel] = sum;
    }
}

extern "C" __global__ void ave_backward(const Real* dy, Real* dx, WINDOW) {
    FOR_EACH(pixel, P * H * W) {
        Real sum = 0;
        FOR_EACH_WINDOW(pixel)
            const Index size = extent(i * sh - ph, kh, H, ph) * extent(j * sw - pw, kw, W, pw);
            sum += dy[first + i * w + j] / (Real)size;
        }
        dx[pixel] = sum;
    }
}
