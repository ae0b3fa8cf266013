// Local response normalisation across channels, as minicaffe/ops/lrn.py defines it: x, y, scale [N, C, S].

#define NEIGHBOURS(i)                                                                                   \
    const Index c = i / S % C;                                                                          \
    const Index first = i - (c - at_least(c - reach, 0)) * S, last = i + (at_most(c + reach, C - 1) - c) * S

extern "C" __global__ void forward(
    const Real* x, Real* y, Real* scale, Index N, Index C, Index S, Index reach, Real weight, Real beta, Real k) {
    FOR_EACH(i, N * C * S) {
        NEIGHBOURS(i);
        Real sum = 0;
        for (Index j = first; j <= last; j += S) sum += x[j] * x[j];
        sum = sum * weight + k;
        scale[i] = sum;
        y[i] = pow(sum, -beta) * x[i];
    }
}

extern "C" __global__ void backward(
    const Real* x, const Real* y, const Real* scale, const Real* dy, Real* dx, Index N, Index C, Index S, Index reach,
    Real factor, Real beta) {
    FOR_EACH(i, N * C * S) {
        NEIGHBOURS(i);
        Real sum = 0;
        for (Index j = first; j <= last; j += S) sum += dy[j] * y[j] / scale[j];
        dx[i] = sum * x[i] * factor + dy[i] * pow(scale[i], -beta);
    }
}
