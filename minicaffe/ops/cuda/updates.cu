// Solver updates over flat arrays, as minicaffe/ops/updates.py defines them: every number is read and written once.
//
// The gradient g is scale * diff + l2 * w + l1 * sign(w); diff ends up holding what was subtracted from w. `rest` is
// 1 - decay, rounded once.

#define TERMS Real scale, Real l2, Real l1

__device__ inline Real gradient(Real g, Real w, TERMS) {
    g *= scale;
    if (l2 != 0) g += l2 * w;
    if (l1 != 0) g += l1 * (w > 0 ? (Real)1 : w < 0 ? (Real)-1 : w);
    return g;
}

#define STEP(i, g) \
    diff[i] = g;   \
    data[i] -= g

extern "C" __global__ void sgd(
    Real* data, Real* diff, Real* history, Index count, Real rate, Real momentum, TERMS) {
    FOR_EACH(i, count) {
        const Real h = momentum * history[i] + gradient(diff[i], data[i], scale, l2, l1) * rate;
        history[i] = h;
        STEP(i, h);
    }
}

extern "C" __global__ void nesterov(
    Real* data, Real* diff, Real* history, Index count, Real rate, Real momentum, TERMS) {
    FOR_EACH(i, count) {
        const Real g = gradient(diff[i], data[i], scale, l2, l1) * rate;
        const Real h = momentum * history[i] + g;
        history[i] = h;
        STEP(i, g + momentum * h);
    }
}

extern "C" __global__ void adagrad(Real* data, Real* diff, Real* history, Index count, Real rate, Real delta, TERMS) {
    FOR_EACH(i, count) {
        const Real g = gradient(diff[i], data[i], scale, l2, l1);
        const Real h = history[i] + g * g;
        history[i] = h;
        STEP(i, g / (sqrt(h) + delta) * rate);
    }
}

extern "C" __global__ void rmsprop(
    Real* data, Real* diff, Real* history, Index count, Real rate, Real decay, Real rest, Real delta, TERMS) {
    FOR_EACH(i, count) {
        const Real g = gradient(diff[i], data[i], scale, l2, l1);
        const Real h = history[i] * decay + g * g * rest;
        history[i] = h;
        STEP(i, g / (sqrt(h) + delta) * rate);
    }
}

extern "C" __global__ void adadelta(
    Real* data, Real* diff, Real* h1, Real* h2, Index count, Real rate, Real decay, Real rest, Real delta, TERMS) {
    FOR_EACH(i, count) {
        const Real g = gradient(diff[i], data[i], scale, l2, l1);
        const Real h = h1[i] * decay + g * g * rest;
        const Real u = g * sqrt((h2[i] + delta) / (h + delta));
        h1[i] = h;
        h2[i] = h2[i] * decay + u * u * rest;
        STEP(i, u * rate);
    }
}

extern "C" __global__ void adam(
    Real* data, Real* diff, Real* h1, Real* h2, Index count, Real rate, Real beta1, Real rest1, Real beta2, Real rest2,
    Real delta, TERMS) {
    FOR_EACH(i, count) {
        const Real g = gradient(diff[i], data[i], scale, l2, l1);
        const Real v = h2[i] * beta2 + g * g * rest2;
        const Real m = h1[i] * beta1 + g * rest1;
        h2[i] = v;
        h1[i] = m;
        STEP(i, m / (sqrt(v) + delta) * rate);
    }
}
