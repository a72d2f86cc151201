// Runs the kernels on a CPU: blocks one after the other, the threads of a block as fibres.
//
// The very same .cu files are compiled by nvcc for a GPU and, with this header in front, by g++ as
// C++17. A fibre runs until it meets a barrier or a shuffle; then the next one runs. A barrier opens
// when all threads of the block (or warp) that have not returned wait at it, as on a GPU; where they
// wait at different ones for ever, the run is aborted with a message. Only what our kernels use is
// here. Formulas of the half types: IEEE 754 binary16 (the compiler's _Float16) and the upper half
// of binary32, both rounded to nearest even as the CUDA functions with _rn do.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SHIM_ASAN 1   // it must be told of every switch; elsewhere longjmp spares two system calls
#else
#define SHIM_ASAN 0
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __restrict__
#define __constant__ static const

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace shim {

constexpr unsigned WARP = 32;
constexpr size_t STACK = 128 * 1024;
enum class State { Ready, Block, Warp, Done };

struct Fibre {
    ucontext_t context;
    jmp_buf place;
    bool begun = false;
    std::unique_ptr<char[]> stack{new char[STACK]};
    uint3 index{};
    State state = State::Done;
    void* asan = nullptr;
};

struct Block {
    std::vector<std::unique_ptr<Fibre>> pool;   // kept from launch to launch
    std::vector<unsigned char> dynamic;
    std::vector<uint64_t> exchange;             // what shuffles hand over, one word a thread
    ucontext_t scheduler;
    jmp_buf scheduler_place;
    void* asan = nullptr;
    const void* scheduler_stack = nullptr;
    size_t scheduler_size = 0;
    unsigned current = 0, threads = 0;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
};
inline Block block;

inline void to_scheduler() {
    Fibre& self = *block.pool[block.current];
#if SHIM_ASAN
    __sanitizer_start_switch_fiber(&self.asan, block.scheduler_stack, block.scheduler_size);
    swapcontext(&self.context, &block.scheduler);
    __sanitizer_finish_switch_fiber(self.asan, nullptr, nullptr);
#else
    if (!_setjmp(self.place)) _longjmp(block.scheduler_place, 1);
#endif
}

inline void wait(State at) {
    block.pool[block.current]->state = at;
    to_scheduler();
}

// A fibre is kept: it runs its thread of one block after the other.
inline void enter() {
#if SHIM_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &block.scheduler_stack, &block.scheduler_size);
#endif
    for (;;) {
        block.body(block.argument);
        wait(State::Done);
    }
}

inline void resume(unsigned thread) {
    Fibre& fibre = *block.pool[thread];
    block.current = thread;
    threadIdx = fibre.index;
#if SHIM_ASAN
    __sanitizer_start_switch_fiber(&block.asan, fibre.stack.get(), STACK);
    swapcontext(&block.scheduler, &fibre.context);
    __sanitizer_finish_switch_fiber(block.asan, nullptr, nullptr);
#else
    if (_setjmp(block.scheduler_place)) return;
    if (fibre.begun) _longjmp(fibre.place, 1);
    fibre.begun = true;
    setcontext(&fibre.context);
#endif
}

// Threads first..end that wait at `at` go on when all of them that are not done wait there.
inline bool open_barrier(unsigned first, unsigned end, State at) {
    bool any = false;
    for (unsigned t = first; t < end; ++t) {
        State state = block.pool[t]->state;
        if (state != at && state != State::Done) return false;
        any |= state == at;
    }
    for (unsigned t = first; any && t < end; ++t)
        if (block.pool[t]->state == at) block.pool[t]->state = State::Ready;
    return any;
}

inline void run_block() {
    for (bool alive = true; alive;) {
        alive = false;
        for (unsigned t = 0; t < block.threads; ++t)
            if (block.pool[t]->state == State::Ready) resume(t);
        bool opened = false;
        for (unsigned t = 0; t < block.threads; t += WARP)
            opened |= open_barrier(t, std::min(t + WARP, block.threads), State::Warp);
        if (!opened) opened = open_barrier(0, block.threads, State::Block);
        for (unsigned t = 0; t < block.threads; ++t) alive |= block.pool[t]->state != State::Done;
        if (alive && !opened) {
            std::fprintf(stderr, "block %u: its threads wait at different barriers for ever\n",
                         blockIdx.x);
            std::abort();
        }
    }
}

inline void prepare(unsigned threads, size_t dynamic) {
    while (block.pool.size() < threads) {
        block.pool.push_back(std::make_unique<Fibre>());
        Fibre& fibre = *block.pool.back();
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.get();
        fibre.context.uc_stack.ss_size = STACK;
        fibre.context.uc_link = nullptr;
        makecontext(&fibre.context, enter, 0);
    }
    block.threads = threads;
    block.dynamic.assign(dynamic + 16, 0xA5);   // as on a GPU, nothing there is zero by itself
    block.exchange.assign(threads, 0);
}

inline void start_threads() {
    for (unsigned t = 0; t < block.threads; ++t) {
        block.pool[t]->index = {t % blockDim.x, t / blockDim.x % blockDim.y,
                                t / blockDim.x / blockDim.y};
        block.pool[t]->state = State::Ready;
    }
}

template <class... P, size_t... I>
void launch(void (*kernel)(P...), const unsigned* dims, size_t dynamic, void** args,
            std::index_sequence<I...>) {
    gridDim = {dims[0], dims[1], dims[2]};
    blockDim = {dims[3], dims[4], dims[5]};
    auto call = [&] { kernel(*static_cast<std::remove_reference_t<P>*>(args[I])...); };
    block.body = [](void* body) { (*static_cast<decltype(call)*>(body))(); };
    block.argument = &call;
    prepare(dims[3] * dims[4] * dims[5], dynamic);
    for (unsigned z = 0; z < gridDim.z; ++z)
        for (unsigned y = 0; y < gridDim.y; ++y)
            for (unsigned x = 0; x < gridDim.x; ++x) {
                blockIdx = {x, y, z};
                start_threads();
                run_block();
            }
}

template <class... P>
void launch(void (*kernel)(P...), const unsigned* dims, size_t dynamic, void** args) {
    launch(kernel, dims, dynamic, args, std::index_sequence_for<P...>{});
}

template <class T>
T shuffle(T value, unsigned from) {
    static_assert(sizeof(T) <= 8);
    const unsigned first = block.current / WARP * WARP, self = block.current;
    std::memcpy(&block.exchange[self], &value, sizeof(T));
    wait(State::Warp);
    T other;
    const unsigned source = first + from % WARP;
    std::memcpy(&other, &block.exchange[source < block.threads ? source : self], sizeof(T));
    wait(State::Warp);
    return other;
}

}  // namespace shim

// Entry point for ctypes: dims are grid x y z and block x y z, args pointers to the parameters.
#define EXPORT(kernel)                                                                       \
    extern "C" void launch_##kernel(const unsigned* dims, size_t dynamic, void** args) {     \
        shim::launch(kernel, dims, dynamic, args);                                           \
    }
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(shim::block.dynamic.data())

inline void __syncthreads() { shim::wait(shim::State::Block); }
inline void __syncwarp(unsigned = 0xFFFFFFFFu) { shim::wait(shim::State::Warp); }
inline void __threadfence() {}
template <class T> T __shfl_sync(unsigned, T v, int lane) { return shim::shuffle(v, lane); }
template <class T> T __shfl_xor_sync(unsigned, T v, int mask) {
    return shim::shuffle(v, (shim::block.current % shim::WARP) ^ mask);
}
template <class T> T __shfl_down_sync(unsigned, T v, unsigned by) {
    const unsigned lane = shim::block.current % shim::WARP;
    return shim::shuffle(v, lane + by < shim::WARP ? lane + by : lane);
}
template <class T> T atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t(a) * b) >> 32; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline float __int_as_float(int bits) { float f; std::memcpy(&f, &bits, 4); return f; }

struct __half { _Float16 v; };
inline float __half2float(__half h) { return float(h.v); }
inline __half __float2half_rn(float f) { return {_Float16(f)}; }

struct __nv_bfloat16 { uint16_t bits; };
inline float __bfloat162float(__nv_bfloat16 b) { return __int_as_float(int(b.bits) << 16); }
inline __nv_bfloat16 __float2bfloat16_rn(float f) {
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return {0x7FFF};   // NaN, as CUDA makes it
    return {uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}
