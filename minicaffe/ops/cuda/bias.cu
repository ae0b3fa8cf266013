// What comes after a convolution, in one pass over y [N, O, S]: its bias, and where a ReLU was taken in, the ReLU.

extern "C" __global__ void add_bias(Real* y, const Real* b, Index count, Index O, Index S, Index relu) {
    FOR_EACH(i, count) {
        const Real sum = y[i] + b[i / S % O];
        y[i] = relu && sum < 0 ? (Real)0 : sum;
    }
}
