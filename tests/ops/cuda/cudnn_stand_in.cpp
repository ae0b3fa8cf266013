// The calls of cuDNN that minicaffe makes, computed by loops over memory of the host.
//
// Where cuDNN's own header is there (HEADER), it is included, and the compiler compares every signature with it.

#include <stddef.h>
#include <string.h>

#include <vector>

#ifdef HEADER
#include <cudnn.h>
#else
extern "C" {
typedef int cudnnStatus_t, cudnnDataType_t, cudnnTensorFormat_t, cudnnConvolutionMode_t, cudnnMathType_t;
typedef int cudnnConvolutionFwdAlgo_t, cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t;
typedef struct cudnnContext* cudnnHandle_t;
typedef struct cudnnTensorStruct* cudnnTensorDescriptor_t;
typedef struct cudnnFilterStruct* cudnnFilterDescriptor_t;
typedef struct cudnnConvolutionStruct* cudnnConvolutionDescriptor_t;
typedef void* cudaStream_t;
struct Performance {
    int algo, status;
    float time;
    size_t memory;
    int determinism, mathType, reserved[3];
};
typedef Performance cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionBwdDataAlgoPerf_t, cudnnConvolutionBwdFilterAlgoPerf_t;
}
#define CUDNNWINAPI
#endif

struct cudnnContext {
    cudaStream_t stream;
};
struct Shape {
    int type;
    std::vector<int> dims;
};
struct cudnnTensorStruct : Shape {};
struct cudnnFilterStruct : Shape {};
struct cudnnConvolutionStruct {
    std::vector<int> pad, stride, dilation;
    int group, math, type;
};

#define OK (cudnnStatus_t)0
#define BAD (cudnnStatus_t)2000

static int alive, last_math = -1, last_algorithm = -1, heuristics;
static cudaStream_t last_stream;

// What tests ask about.
extern "C" int stand_in_alive() { return alive; }
extern "C" int stand_in_math() { return last_math; }
extern "C" int stand_in_algorithm() { return last_algorithm; }
extern "C" int stand_in_heuristics() { return heuristics; }
extern "C" size_t stand_in_stream() { return (size_t)last_stream; }

extern "C" size_t CUDNNWINAPI cudnnGetVersion(void) { return 91234; }
extern "C" const char* CUDNNWINAPI cudnnGetErrorString(cudnnStatus_t) { return "STAND_IN_REFUSES"; }
extern "C" cudnnStatus_t CUDNNWINAPI cudnnCreate(cudnnHandle_t* handle) {
    *handle = new cudnnContext();
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    last_stream = handle->stream = stream;
    return OK;
}

#define LIFE(What, Kind)                                                                      \
    extern "C" cudnnStatus_t CUDNNWINAPI cudnnCreate##What##Descriptor(Kind* made) {           \
        ++alive;                                                                              \
        *made = new std::remove_pointer_t<Kind>();                                            \
        return OK;                                                                            \
    }                                                                                         \
    extern "C" cudnnStatus_t CUDNNWINAPI cudnnDestroy##What##Descriptor(Kind one) {            \
        --alive;                                                                              \
        delete one;                                                                           \
        return OK;                                                                            \
    }
LIFE(Tensor, cudnnTensorDescriptor_t)
LIFE(Filter, cudnnFilterDescriptor_t)
LIFE(Convolution, cudnnConvolutionDescriptor_t)

extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetTensorNdDescriptor(
    cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int axes, const int dims[], const int strides[]) {
    int packed = 1;
    for (int i = axes - 1; i >= 0; packed *= dims[i--])
        if (strides[i] != packed) return BAD;
    if (axes < 4) return BAD;
    tensor->type = type;
    tensor->dims.assign(dims, dims + axes);
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetFilterNdDescriptor(
    cudnnFilterDescriptor_t filter, cudnnDataType_t type, cudnnTensorFormat_t format, int axes, const int dims[]) {
    if (format != 0 || axes < 4) return BAD;
    filter->type = type;
    filter->dims.assign(dims, dims + axes);
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetConvolutionNdDescriptor(
    cudnnConvolutionDescriptor_t conv, int axes, const int pad[], const int stride[], const int dilation[],
    cudnnConvolutionMode_t mode, cudnnDataType_t type) {
    if (mode != 1 || axes < 2) return BAD;
    conv->pad.assign(pad, pad + axes);
    conv->stride.assign(stride, stride + axes);
    conv->dilation.assign(dilation, dilation + axes);
    conv->type = type;
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t conv, int group) {
    conv->group = group;
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnSetConvolutionMathType(
    cudnnConvolutionDescriptor_t conv, cudnnMathType_t math) {
    conv->math = math;
    return OK;
}

// The fastest is not there, the next needs a gigabyte, the third is not deterministic, the fourth is.
template <class Kind> static cudnnStatus_t advise(int wanted, int* count, Kind* found) {
    const size_t memory[] = {0, (size_t)1 << 30, 4096, 64};
    ++heuristics;
    *count = wanted < 4 ? wanted : 4;
    for (int i = 0; i < *count; ++i) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].algo = (decltype(found[i].algo))i;
        found[i].status = i ? OK : BAD;
        found[i].memory = memory[i];
        found[i].determinism = (decltype(found[i].determinism))(i == 3);
        found[i].mathType = (decltype(found[i].mathType))1;
    }
    return OK;
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnGetConvolutionForwardAlgorithm_v7(
    cudnnHandle_t, const cudnnTensorDescriptor_t, const cudnnFilterDescriptor_t, const cudnnConvolutionDescriptor_t,
    const cudnnTensorDescriptor_t, const int wanted, int* count, cudnnConvolutionFwdAlgoPerf_t* found) {
    return advise(wanted, count, found);
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t, const cudnnFilterDescriptor_t, const cudnnTensorDescriptor_t, const cudnnConvolutionDescriptor_t,
    const cudnnTensorDescriptor_t, const int wanted, int* count, cudnnConvolutionBwdDataAlgoPerf_t* found) {
    return advise(wanted, count, found);
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnConvolutionDescriptor_t,
    const cudnnFilterDescriptor_t, const int wanted, int* count, cudnnConvolutionBwdFilterAlgoPerf_t* found) {
    return advise(wanted, count, found);
}

// Calls visit(x, W, y) with the places of every product of a convolution.
template <class Visit>
static bool products(const Shape* x, const Shape* W, const Shape* y, const cudnnConvolutionStruct* conv, Visit visit) {
    const int axes = (int)conv->pad.size();
    if ((int)x->dims.size() != axes + 2 || (int)W->dims.size() != axes + 2 || (int)y->dims.size() != axes + 2) return false;
    if (x->dims[0] != y->dims[0] || W->dims[0] != y->dims[1] || W->dims[1] * conv->group != x->dims[1]) return false;
    for (int a = 0; a < axes; ++a) {
        const int reach = conv->dilation[a] * (W->dims[a + 2] - 1) + 1;
        if ((x->dims[a + 2] + 2 * conv->pad[a] - reach) / conv->stride[a] + 1 != y->dims[a + 2]) return false;
    }
    long positions = 1, taps = 1;
    for (int a = 0; a < axes; ++a) positions *= y->dims[a + 2], taps *= W->dims[a + 2];
    const int O = W->dims[0], C = W->dims[1], each = O / conv->group;
    for (long n = 0; n < y->dims[0]; ++n)
        for (long o = 0; o < O; ++o)
            for (long c = 0; c < C; ++c)
                for (long p = 0; p < positions; ++p)
                    for (long t = 0; t < taps; ++t) {
                        long rest = p, tap = t, at = 0, step = 1;
                        bool inside = true;
                        for (int a = axes - 1; a >= 0; --a) {
                            const long i = rest % y->dims[a + 2] * conv->stride[a] - conv->pad[a] +
                                           tap % W->dims[a + 2] * conv->dilation[a];
                            inside = inside && i >= 0 && i < x->dims[a + 2];
                            at += i * step;
                            step *= x->dims[a + 2];
                            rest /= y->dims[a + 2];
                            tap /= W->dims[a + 2];
                        }
                        if (inside)
                            visit(((n * x->dims[1]) + o / each * C + c) * step + at, (o * C + c) * taps + t,
                                  (n * O + o) * positions + p);
                    }
    return true;
}

// result = beta result + the sum of first times second, in the places that `pick` takes from (x, W, y).
template <class Real, class Pick>
static cudnnStatus_t add_up(
    const Shape* x, const Shape* W, const Shape* y, const cudnnConvolutionStruct* conv, const Shape* written,
    const void* alpha, const void* first, const void* second, const void* beta, void* result, Pick pick) {
    long count = 1;
    for (int size : written->dims) count *= size;
    Real* out = (Real*)result;
    for (long i = 0; i < count; ++i) out[i] = *(const Real*)beta ? *(const Real*)beta * out[i] : 0;
    const bool fits = products(x, W, y, conv, [&](long in, long weight, long position) {
        const auto places = pick(in, weight, position);
        out[places[2]] += *(const Real*)alpha * ((const Real*)first)[places[0]] * ((const Real*)second)[places[1]];
    });
    return fits ? OK : BAD;
}

template <class Pick>
static cudnnStatus_t compute(
    const Shape* x, const Shape* W, const Shape* y, const cudnnConvolutionStruct* conv, int algorithm, void* workspace,
    size_t size, const Shape* written, const void* alpha, const void* first, const void* second, const void* beta,
    void* result, Pick pick) {
    const size_t needed[] = {0, (size_t)1 << 30, 4096, 64};
    if (algorithm < 1 || size < needed[algorithm] || (needed[algorithm] && !workspace)) return BAD;
    memset(workspace, 7, needed[algorithm]);
    last_math = conv->math;
    last_algorithm = algorithm;
    return conv->type ? add_up<double>(x, W, y, conv, written, alpha, first, second, beta, result, pick)
                      : add_up<float>(x, W, y, conv, written, alpha, first, second, beta, result, pick);
}

extern "C" cudnnStatus_t CUDNNWINAPI cudnnConvolutionForward(
    cudnnHandle_t, const void* alpha, const cudnnTensorDescriptor_t x, const void* xs, const cudnnFilterDescriptor_t W,
    const void* Ws, const cudnnConvolutionDescriptor_t conv, cudnnConvolutionFwdAlgo_t algorithm, void* workspace,
    size_t size, const void* beta, const cudnnTensorDescriptor_t y, void* ys) {
    return compute(x, W, y, conv, algorithm, workspace, size, y, alpha, xs, Ws, beta, ys,
                   [](long in, long weight, long position) { return std::vector<long>{in, weight, position}; });
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnConvolutionBackwardData(
    cudnnHandle_t, const void* alpha, const cudnnFilterDescriptor_t W, const void* Ws, const cudnnTensorDescriptor_t y,
    const void* ys, const cudnnConvolutionDescriptor_t conv, cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace,
    size_t size, const void* beta, const cudnnTensorDescriptor_t x, void* xs) {
    return compute(x, W, y, conv, algorithm, workspace, size, x, alpha, Ws, ys, beta, xs,
                   [](long in, long weight, long position) { return std::vector<long>{weight, position, in}; });
}
extern "C" cudnnStatus_t CUDNNWINAPI cudnnConvolutionBackwardFilter(
    cudnnHandle_t, const void* alpha, const cudnnTensorDescriptor_t x, const void* xs, const cudnnTensorDescriptor_t y,
    const void* ys, const cudnnConvolutionDescriptor_t conv, cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace,
    size_t size, const void* beta, const cudnnFilterDescriptor_t W, void* Ws) {
    return compute(x, W, y, conv, algorithm, workspace, size, W, alpha, xs, ys, beta, Ws,
                   [](long in, long weight, long position) { return std::vector<long>{in, position, weight}; });
}
