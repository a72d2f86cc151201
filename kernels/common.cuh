// What every kernel file begins with: the GPU's headers or the CPU's stand-in for them.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>
#define EXPORT(kernel)
#define DYNAMIC_SHARED(type, name)                                        \
    extern __shared__ __align__(16) unsigned char dynamic_shared[];       \
    type* name = reinterpret_cast<type*>(dynamic_shared)
#else
#include "shim/cuda_shim.h"
#endif

// Of the ring of keys and values, for all that works with it.
struct RingCounter {
    long long turn;       // micro-turns in the ring so far
    unsigned finished, unused;
};

constexpr int WARP_THREADS = 32;
constexpr unsigned ALL_LANES = 0xFFFFFFFFu;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ void store(float* to, float x) { *to = x; }
__device__ __forceinline__ void store(__half* to, float x) { *to = __float2half_rn(x); }
__device__ __forceinline__ void store(__nv_bfloat16* to, float x) { *to = __float2bfloat16_rn(x); }

__device__ __forceinline__ float warp_sum(float x) {
    for (int by = WARP_THREADS / 2; by; by /= 2) x += __shfl_xor_sync(ALL_LANES, x, by);
    return x;
}
__device__ __forceinline__ float warp_max(float x) {
    for (int by = WARP_THREADS / 2; by; by /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, by));
    return x;
}
