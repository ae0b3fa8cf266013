// im2col and col2im, as minicaffe/ops/im2col.py defines them, for up to three spatial axes (fewer: sizes of 1 in front).
//
// x [N, C, D, H, W]; col [C * kd * kh * kw, N, d, h, w]: one row for each channel and tap of the kernel.

#define GEOMETRY                                                                                                    \
    Index N, Index C, Index D, Index H, Index W, Index kd, Index kh, Index kw, Index sd, Index sh, Index sw,        \
        Index pd, Index ph, Index pw, Index dd, Index dh, Index dw, Index d, Index h, Index w

// One thread for each channel, image and position: it writes the whole column of its channel.
extern "C" __global__ void im2col(const Real* x, Real* col, GEOMETRY) {
    const Index row = N * d * h * w;
    FOR_EACH(i, C * row) {
        const Index c = i / row, place = i % row;
        const Index n = place / (d * h * w), position = place % (d * h * w);
        const Index z0 = position / (h * w) * sd - pd;
        const Index y0 = position / w % h * sh - ph;
        const Index x0 = position % w * sw - pw;
        const Real* image = x + (n * C + c) * D * H * W;
        Real* out = col + c * kd * kh * kw * row + place;
        for (Index z = z0; z < z0 + kd * dd; z += dd)
            for (Index y = y0; y < y0 + kh * dh; y += dh)
                for (Index at = x0; at < x0 + kw * dw; at += dw, out += row) {
                    const bool inside = z >= 0 && z < D && y >= 0 && y < H && at >= 0 && at < W;
                    *out = inside ? image[(z * H + y) * W + at] : (Real)0;
                }
    }
}

// The position along one axis that reads `at` through tap `tap`, or -1.
__device__ inline Index reader(Index at, Index tap, Index stride, Index pad, Index dilation, Index positions) {
    const Index start = at + pad - tap * dilation;
    if (start < 0 || start % stride) return -1;
    return start / stride < positions ? start / stride : -1;
}

// One thread for each element of x: it gathers from the columns it was copied to, tap by tap, and adds.
extern "C" __global__ void col2im(const Real* col, Real* x, GEOMETRY) {
    const Index row = N * d * h * w;
    FOR_EACH(i, N * C * D * H * W) {
        const Index z = i / (H * W) % D, y = i / W % H, at = i % W;
        const Index c = i / (D * H * W) % C, n = i / (D * H * W) / C;
        Real sum = x[i];
        for (Index kz = 0; kz < kd; ++kz) {
            const Index oz = reader(z, kz, sd, pd, dd, d);
            if (oz < 0) continue;
            for (Index ky = 0; ky < kh; ++ky) {
                const Index oy = reader(y, ky, sh, ph, dh, h);
                if (oy < 0) continue;
                for (Index kx = 0; kx < kw; ++kx) {
                    const Index ox = reader(at, kx, sw, pw, dw, w);
                    if (ox < 0) continue;
                    const Index tap = ((c * kd + kz) * kh + ky) * kw + kx;
                    sum += col[tap * row + n * d * h * w + (oz * h + oy) * w + ox];
                }
            }
        }
        x[i] = sum;
    }
}
