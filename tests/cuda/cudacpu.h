// Runs printed CUDA kernels on the CPU, to test them where there is no GPU: what they compute, not how fast.
//
// A thread of a block is a fiber with a stack of its own; one fiber runs at a time, until it waits or ends, and one block at a
// time. A seed shuffles the order in which fibers run, so that a missing barrier shows as a wrong result. Threads that wait for
// others which do not come are an error with their number, where a GPU would hang. Shared memory is NaN when a block starts.
// Has what our kernels print: blockIdx.x, threadIdx.x, __shared__, __syncthreads, two shuffles, arithmetic by name.
// Not here: atomics, votes, tensor cores, textures, more than one dimension.
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads, blocks)
#define __shared__ static __attribute__((section("cuda_shared")))

struct Index { unsigned int x; };

namespace emulator {

enum class State { ready, barrier, exchange, done };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    State state;
    Index index;
    unsigned long long given, taken;  // what it puts into an exchange and gets out
    unsigned int source;              // the lane from which it gets it
};

constexpr unsigned int WARP = 32;
constexpr size_t STACK_BYTES = 128 << 10;

inline std::vector<Fiber> fibers;
inline Fiber *running;
inline ucontext_t scheduler;
inline void (*body)(void **);
inline void **arguments;
inline char message[200];

inline void wait(State state) {
    running->state = state;
    swapcontext(&running->context, &scheduler);
}

inline void run_fiber() {
    body(arguments);
    running->state = State::done;
    setcontext(&scheduler);
}

inline unsigned int count(State state, size_t first, size_t last) {
    return std::count_if(fibers.begin() + first, fibers.begin() + last, [=](const Fiber &f) { return f.state == state; });
}

// Let all go on that have what they waited for; whether someone did.
inline bool release() {
    bool found = false;
    if (count(State::barrier, 0, fibers.size()) == fibers.size()) {
        for (Fiber &f : fibers) f.state = State::ready;
        return true;
    }
    for (size_t first = 0; first < fibers.size(); first += WARP) {
        size_t last = std::min(first + WARP, fibers.size());
        if (last - first != WARP || count(State::exchange, first, last) != WARP) continue;
        for (size_t i = first; i < last; i++) {
            fibers[i].taken = fibers[first + fibers[i].source].given;
            fibers[i].state = State::ready;
        }
        found = true;
    }
    return found;
}

extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));

inline bool run_block(unsigned int block, std::vector<unsigned int> &order, std::mt19937 *random) {
    if (__start_cuda_shared) memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
    for (Fiber &f : fibers) {
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        f.state = State::ready;
        makecontext(&f.context, run_fiber, 0);
    }
    while (count(State::done, 0, fibers.size()) < fibers.size()) {
        if (random) std::shuffle(order.begin(), order.end(), *random);
        for (unsigned int i : order) {
            if (fibers[i].state != State::ready) continue;
            running = &fibers[i];
            swapcontext(&scheduler, &running->context);
        }
        if (release() || count(State::done, 0, fibers.size()) == fibers.size()) continue;
        snprintf(message, sizeof message, "block %u does not go on: %u threads at a barrier, %u in an exchange, %u ended", block,
                 count(State::barrier, 0, fibers.size()), count(State::exchange, 0, fibers.size()),
                 count(State::done, 0, fibers.size()));
        return false;
    }
    return true;
}

template <class T> T exchange(T value, unsigned int source) {
    static_assert(sizeof(T) <= sizeof(unsigned long long), "an exchange is of at most 8 bytes");
    Fiber *me = running;
    me->given = 0;
    memcpy(&me->given, &value, sizeof value);
    me->source = source;
    wait(State::exchange);
    memcpy(&value, &me->taken, sizeof value);
    return value;
}

}  // namespace emulator

inline Index blockIdx;
#define threadIdx (emulator::running->index)

inline void __syncthreads() { emulator::wait(emulator::State::barrier); }
template <class T> T __shfl_down_sync(unsigned int, T value, unsigned int distance) {
    unsigned int lane = threadIdx.x % emulator::WARP;
    return emulator::exchange(value, lane + distance < emulator::WARP ? lane + distance : lane);
}
template <class T> T __shfl_sync(unsigned int, T value, int lane) { return emulator::exchange(value, lane % emulator::WARP); }

inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dsqrt_rn(double a) { return sqrt(a); }

#define EMULATOR_BITS(name, To, From)  \
    inline To name(From a) {           \
        To b;                          \
        memcpy(&b, &a, sizeof b);      \
        return b;                      \
    }
EMULATOR_BITS(__float_as_int, int, float)
EMULATOR_BITS(__int_as_float, float, int)
EMULATOR_BITS(__double_as_longlong, long long, double)
EMULATOR_BITS(__longlong_as_double, double, long long)

// Runs `blocks` blocks; null, or what went wrong. Seed 0 keeps the order of the threads.
inline const char *emulator_launch(void (*body)(void **), unsigned int blocks, unsigned int threads, void **arguments, unsigned int seed) {
    using namespace emulator;
    std::mt19937 random(seed);
    std::vector<unsigned int> order(threads);
    std::iota(order.begin(), order.end(), 0u);
    fibers.resize(threads);
    for (unsigned int i = 0; i < threads; i++) {
        fibers[i].stack.resize(STACK_BYTES);
        fibers[i].index = {i};
    }
    emulator::body = body;
    emulator::arguments = arguments;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
        if (!run_block(blockIdx.x, order, seed ? &random : nullptr)) return message;
    return nullptr;
}
