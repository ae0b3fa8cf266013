// CUDA C++ as plain C++: a kernel is called once for every thread of every block, one after the other.
//
// In a kernel that meets at __syncthreads every thread has a stack of its own; one that comes to the meeting gives way
// to the next, until all have come.

#include <math.h>
#include <ucontext.h>

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

struct Place {
    unsigned x = 1, y = 1, z = 1;
};

static Place threadIdx, blockIdx, blockDim, gridDim;
static ucontext_t turns, *mine;

static inline void __syncthreads() { swapcontext(mine, &turns); }

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

template <class T> constexpr char letter() {
    if (std::is_same_v<T, float>) return 'f';
    if (std::is_same_v<T, double>) return 'd';
    if (std::is_same_v<T, int>) return 'i';
    if (std::is_same_v<T, unsigned int>) return 'I';
    if (std::is_same_v<T, long long>) return 'q';
    if (std::is_same_v<T, unsigned long long>) return 'Q';
    if (std::is_same_v<T, bool>) return '?';
    return '!';
}

// What a kernel takes: a letter for each argument, `*` before it for an array of them.
template <class... A> std::string letters(void (*)(A...)) {
    std::string all;
    ((all += std::is_pointer_v<A> ? "*" : " ", all += letter<std::remove_cv_t<std::remove_pointer_t<A>>>()), ...);
    return all;
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}

// A thread of a block that meets: what it runs, on which stack, and whether it has come to its end.
struct Thread {
    ucontext_t context;
    char stack[1 << 14];
    bool ended;
};

static void (*body)();
static Thread* running;

static void begin() {
    body();
    running->ended = true;
}

static void run_together(unsigned count) {
    static std::vector<Thread> threads;
    if (threads.size() < count) threads.resize(count);
    for (unsigned t = 0; t < count; ++t) {
        Thread& thread = threads[t];
        thread.ended = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack;
        thread.context.uc_stack.ss_size = sizeof thread.stack;
        thread.context.uc_link = &turns;
        makecontext(&thread.context, begin, 0);
    }
    for (bool more = true; more;) {
        more = false;
        for (unsigned t = 0; t < count; ++t) {
            if (threads[t].ended) continue;
            running = &threads[t];
            mine = &running->context;
            threadIdx.x = t;
            swapcontext(&turns, mine);
            more = more || !running->ended;
        }
    }
}

template <class... A> void launch(void (*kernel)(A...), unsigned grid, unsigned block, void** arguments, bool meets) {
    static void (*called)(A...);
    static void** given;
    called = kernel;
    given = arguments;
    body = [] { call(called, given, std::index_sequence_for<A...>()); };
    gridDim.x = grid;
    blockDim.x = block;
    for (unsigned b = 0; b < grid; ++b) {
        blockIdx.x = b;
        if (meets) {
            run_together(block);
            continue;
        }
        for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x) body();
    }
}
