// A micro-turn's keys and values of all layers into the ring, in place, in one launch.
//
// Ring row of slot s of micro-turn t: (t * S + s) mod R. A row knows its absolute position; that of an
// empty slot is NOWHERE, so that nobody sees it. Counters stay on the device: the same launch, replayed
// in a graph, writes the next micro-turn.
//
// Napkin, 6 layers, 3 heads, 17 slots of 64 halves: reads and writes 2 x 39 kB. No arithmetic: launch
// bound; at sizes that fill a card bound by memory.
#include "common.cuh"

constexpr long long NOWHERE = -(1LL << 40);

// new_k, new_v (L * H, S, D); present (S) floats, above 0 for filled slots; ring_k, ring_v
// (L * H, R, D); positions (R). Grid: (S, L * H).
template <class T>
__device__ __forceinline__ void append(const T* new_k, const T* new_v, const float* present,
                                       int dim, int rows, T* ring_k, T* ring_v,
                                       long long* positions, RingCounter* counter) {
    const int slot = blockIdx.x, slots = gridDim.x;
    const long long position = counter->turn * slots + slot;
    const int row = int(position % rows);
    const size_t from = (size_t(blockIdx.y) * slots + slot) * dim;
    const size_t to = (size_t(blockIdx.y) * rows + row) * dim;
    for (int i = threadIdx.x; i < dim; i += blockDim.x) {
        ring_k[to + i] = new_k[from + i];
        ring_v[to + i] = new_v[from + i];
    }
    __syncthreads();   // all threads have read the counter that the last block moves on
    if (threadIdx.x != 0) return;
    if (blockIdx.y == 0) positions[row] = present[slot] > 0.0f ? position : NOWHERE;
    __threadfence();
    if (atomicAdd(&counter->finished, 1u) == gridDim.x * gridDim.y - 1) {
        counter->finished = 0;
        counter->turn += 1;
    }
}

#define ENTRY(name, type)                                                                        \
    extern "C" __global__ void __launch_bounds__(128)                                            \
    name(const type* new_k, const type* new_v, const float* present, int dim, int rows,          \
         type* ring_k, type* ring_v, long long* positions, RingCounter* counter) {               \
        append(new_k, new_v, present, dim, rows, ring_k, ring_v, positions, counter);            \
    }
ENTRY(kv_ring_float, float)
ENTRY(kv_ring_half, __half)
ENTRY(kv_ring_bfloat16, __nv_bfloat16)
EXPORT(kv_ring_float)
EXPORT(kv_ring_half)
EXPORT(kv_ring_bfloat16)
