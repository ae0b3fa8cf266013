// Dropout, as minicaffe/ops/elementwise.py defines it, with the very bits that NumPy draws from a PCG64 stream.
//
// PCG64 is a linear congruential generator of 128 bits, s' = a s + c, of which every state gives 64 random bits
// (O'Neill, 2014). k steps at once are s -> a^k s + c (a^(k-1) + ... + 1), found by squaring: so each thread jumps to
// its first draw and from there in strides of the whole grid.

typedef unsigned long long Word;

struct Wide {
    Word high, low;
};

__device__ inline Wide plus(Wide a, Wide b) {
    Wide sum;
    sum.low = a.low + b.low;
    sum.high = a.high + b.high + (sum.low < a.low);
    return sum;
}

__device__ inline Wide times(Wide a, Wide b) {
    Wide product;
    product.low = a.low * b.low;
    product.high = __umul64hi(a.low, b.low) + a.high * b.low + a.low * b.high;
    return product;
}

// What a number of steps does to a state: s -> factor s + shift.
struct Jump {
    Wide factor, shift;
};

__device__ inline Wide after(Jump jump, Wide state) { return plus(times(jump.factor, state), jump.shift); }

__device__ inline Jump steps(Word count, Wide increment) {
    Jump one = {{0x2360ED051FC65DA4ULL, 0x4385DF649FCCF645ULL}, increment};
    Jump all = {{0, 1}, {0, 0}};
    for (; count; count >>= 1) {
        if (count & 1) all = {times(one.factor, all.factor), after(one, all.shift)};
        one = {times(one.factor, one.factor), after(one, one.shift)};
    }
    return all;
}

__device__ inline Word bits_of(Wide state) {
    const Word mixed = state.high ^ state.low, turn = state.high >> 58;
    return mixed >> turn | mixed << ((64 - turn) & 63);
}

// `state` and `increment` are the stream's own; every draw serves two numbers, its lower half the first.
extern "C" __global__ void dropout(
    const Real* x, Real* y, bool* mask, Index count, Word state_high, Word state_low, Word increment_high,
    Word increment_low, unsigned int threshold, Real factor) {
    const Index mine = (Index)blockIdx.x * (Index)blockDim.x + (Index)threadIdx.x;
    const Wide increment = {increment_high, increment_low};
    Wide state = {state_high, state_low};
    state = after(steps((Word)mine + 1, increment), state);
    const Jump stride = steps((Word)gridDim.x * blockDim.x, increment);
    FOR_EACH(draw, (count + 1) / 2) {
        const Word bits = bits_of(state);
        for (Index i = 2 * draw; i < at_most(2 * draw + 2, count); ++i) {
            const bool kept = (unsigned int)(i % 2 ? bits >> 32 : bits) >= threshold;
            mask[i] = kept;
            y[i] = x[i] * (Real)kept * factor;
        }
        state = after(stride, state);
    }
}
