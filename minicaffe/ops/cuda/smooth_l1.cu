// The smooth L1 distance and its derivative, as minicaffe/ops/smooth_l1.py defines them; `square` is sigma squared.

extern "C" __global__ void forward(const Real* d, Real* y, Index count, Real half, Real edge, Real drop) {
    FOR_EACH(i, count) {
        const Real size = fabs(d[i]);
        y[i] = size < edge ? half * d[i] * d[i] : size - drop;
    }
}

extern "C" __global__ void backward(const Real* d, Real* dx, Index count, Real square, Real edge) {
    FOR_EACH(i, count) {
        const Real sign = d[i] > 0 ? (Real)1 : d[i] < 0 ? (Real)-1 : d[i];  // 0 and NaN stay what they are
        dx[i] = fabs(d[i]) < edge ? square * d[i] : sign;
    }
}
