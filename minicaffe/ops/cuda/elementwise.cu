// Number by number, as minicaffe/ops/elementwise.py defines it. A result may be one of its operands.

extern "C" __global__ void rectify(const Real* x, Real slope, Real* y, Index count) {
    FOR_EACH(i, count) y[i] = x[i] <= 0 ? (slope == 0 ? (Real)0 : x[i] * slope) : x[i];
}

extern "C" __global__ void rectify_backward(const Real* x, const Real* dy, Real slope, Real* dx, Index count) {
    FOR_EACH(i, count) dx[i] = dy[i] * (x[i] > 0 ? (Real)1 : x[i] <= 0 ? slope : (Real)0);
}

extern "C" __global__ void scaled(const Real* x, Real factor, Real* y, Index count) {
    FOR_EACH(i, count) y[i] = x[i] * factor;
}

extern "C" __global__ void sum_of_two(
    const Real* a, Real a_weight, const Real* b, Real b_weight, Real* y, Index count, Index rectifies) {
    FOR_EACH(i, count) {
        const Real sum = a[i] * a_weight + b[i] * b_weight;
        y[i] = rectifies && sum < 0 ? (Real)0 : sum;
    }
}

extern "C" __global__ void masked(const Real* x, const bool* mask, Real factor, Real* y, Index count) {
    FOR_EACH(i, count) y[i] = x[i] * (mask[i] ? (Real)1 : (Real)0) * factor;
}
