// Attention of a micro-turn's queries to the ring and to the micro-turn itself.
//
// One block a query and head. The keys that a query sees lie in chunks of 64 absolute positions; a
// warp makes the softmax and the weighted sum of one chunk (split-KV: Flash-Decoding, Dao et al.
// 2023), and the chunks are merged in the order of their positions (online softmax: Milakov and
// Gimelshein 2018, arXiv 1805.02867). Since neither chunks nor order depend on where the ring begins or
// how many micro-turns come at once, a stream and a whole sequence give the same bits. A sink, one
// key a head with a value of zero, is seen by all (StreamingLLM, arXiv 2309.17453).
//
// Napkin, 17 queries, 3 heads of 64, 1,105 ring rows in half precision: reads 2 x 424 kB of keys and
// values, 17 times through the cache; 17 x 3 x 1,105 x 64 x 4 = 14 million operations. From memory
// 0.3 us at 3 TB/s, 4 us on an Orin: the launch and the chain of chunks bound it.
#include "common.cuh"

constexpr int CHUNK = 64, THREADS = 128, MAX_DIM = 128;

// One number type in memory, sums in float. q, new_k, new_v, out (heads, slots, D); ring_k, ring_v
// (kv heads, R, D) of one layer; positions (R) absolute positions of its rows; present (slots);
// sink (heads, D). A query at position p sees the filled positions of (p - window, p] and itself.
// period: slots of a micro-turn; the first query is at counter->turn * period. Grid: (slots, heads).
// Dynamic shared memory: (D + 2) floats for each chunk that a window can touch.
template <class T>
__device__ __forceinline__ void attend(const T* q, const T* new_k, const T* new_v, const T* ring_k,
                                       const T* ring_v, const long long* positions,
                                       const float* present, const T* sink,
                                       const RingCounter* counter, int kv_heads, int dim, int rows,
                                       int window, int period, T* out) {
    DYNAMIC_SHARED(float, partial);
    __shared__ float query[MAX_DIM], weight[THREADS / WARP_THREADS][CHUNK], sink_score;
    __shared__ int where[THREADS / WARP_THREADS][CHUNK];
    const int slot = blockIdx.x, slots = gridDim.x, head = blockIdx.y, heads = gridDim.y;
    const int tid = threadIdx.x, warp = tid / WARP_THREADS, lane = tid % WARP_THREADS;
    const int kv = head / (heads / kv_heads);
    const long long begin = counter->turn * period, at = begin + slot;
    const long long oldest = at - window + 1 > 0 ? at - window + 1 : 0;
    const long long first_chunk = oldest / CHUNK;
    const int used = int(at / CHUNK - first_chunk) + 1;
    const float scale = 1.0f / sqrtf(float(dim));
    for (int i = tid; i < dim; i += THREADS)
        query[i] = to_float(q[(size_t(head) * slots + slot) * dim + i]) * scale;
    __syncthreads();

    // a position's row of the ring, rows + s for slot s of the micro-turn itself, -1 where the query
    // may not see it; found once for keys and values, since a long division costs more than a product
    auto find = [&](long long p) -> int {
        if (p < oldest || p > at) return -1;
        if (p >= begin) {
            const int s = int(p - begin);
            return present[s] > 0.0f || s == slot ? rows + s : -1;
        }
        const int row = int(p % rows);
        return positions[row] == p ? row : -1;
    };
    auto row_of = [&](int row, const T* ring, const T* fresh) -> const T* {
        return row < rows ? ring + (size_t(kv) * rows + row) * dim
                          : fresh + (size_t(kv) * slots + row - rows) * dim;
    };
    auto dot = [&](const T* key) {
        float sum = 0.0f;
        for (int i = 0; i < dim; ++i) sum += query[i] * to_float(key[i]);
        return sum;
    };

    for (int c = warp; c < used; c += THREADS / WARP_THREADS) {
        const long long base = (first_chunk + c) * CHUNK;
        float score[CHUNK / WARP_THREADS], most = -INFINITY, sum = 0.0f;
        for (int j = 0; j < CHUNK / WARP_THREADS; ++j) {
            const int row = find(base + j * WARP_THREADS + lane);
            where[warp][j * WARP_THREADS + lane] = row;
            score[j] = row < 0 ? -INFINITY : dot(row_of(row, ring_k, new_k));
            most = fmaxf(most, score[j]);
        }
        most = warp_max(most);
        for (int j = 0; j < CHUNK / WARP_THREADS; ++j) {
            const float w = score[j] == -INFINITY ? 0.0f : expf(score[j] - most);
            weight[warp][j * WARP_THREADS + lane] = w;
            sum += w;
        }
        sum = warp_sum(sum);
        __syncwarp();
        float* part = partial + size_t(c) * (dim + 2);
        for (int i = lane; i < dim; i += WARP_THREADS) {
            float value = 0.0f;
            for (int j = 0; j < CHUNK; ++j) {
                const float w = weight[warp][j];
                if (w != 0.0f) value += w * to_float(row_of(where[warp][j], ring_v, new_v)[i]);
            }
            part[2 + i] = value;
        }
        if (lane == 0) {
            part[0] = most;
            part[1] = sum;
        }
        __syncwarp();
    }
    if (tid == 0) sink_score = dot(sink + size_t(head) * dim);
    __syncthreads();
    float most = sink_score;
    for (int c = 0; c < used; ++c) most = fmaxf(most, partial[size_t(c) * (dim + 2)]);
    float total = expf(sink_score - most);
    for (int c = 0; c < used; ++c) {
        const float* part = partial + size_t(c) * (dim + 2);
        if (part[1] != 0.0f) total += part[1] * expf(part[0] - most);
    }
    for (int i = tid; i < dim; i += THREADS) {
        float value = 0.0f;
        for (int c = 0; c < used; ++c) {
            const float* part = partial + size_t(c) * (dim + 2);
            if (part[1] != 0.0f) value += part[2 + i] * expf(part[0] - most);
        }
        store(&out[(size_t(head) * slots + slot) * dim + i], value / total);
    }
}

#define ENTRY(name, type)                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS)                                        \
    name(const type* q, const type* new_k, const type* new_v, const type* ring_k,                \
         const type* ring_v, const long long* positions, const float* present, const type* sink, \
         const RingCounter* counter, int kv_heads, int dim, int rows, int window, int period,    \
         type* out) {                                                                            \
        attend(q, new_k, new_v, ring_k, ring_v, positions, present, sink, counter, kv_heads,     \
               dim, rows, window, period, out);                                                  \
    }
ENTRY(stream_attention_float, float)
ENTRY(stream_attention_half, __half)
ENTRY(stream_attention_bfloat16, __nv_bfloat16)
EXPORT(stream_attention_float)
EXPORT(stream_attention_half)
EXPORT(stream_attention_bfloat16)
