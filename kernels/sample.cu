// The class of every readout head: masked arg-max, or a draw from the k best.
//
// One block a head. A draw is the arg-max of logit / temperature + Gumbel noise among the k largest
// logits (Gumbel-max trick: Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030). Noise comes from
// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), counted by class,
// head and draw, so that a seed gives the same classes on every device. Equal scores go to the lowest
// class, a NaN to none.
//
// Napkin, 15 heads, 2,300 logits: reads 9 kB and writes 60 bytes; launch bound. A draw of k adds k
// passes over a head's logits, which are in cache.
#include "common.cuh"

constexpr int THREADS = 128;

struct Best {
    float score;
    int at;
};

__device__ __forceinline__ Best better(Best a, Best b) {
    if (b.at < 0) return a;
    if (a.at < 0 || b.score > a.score || (b.score == a.score && b.at < a.at)) return b;
    return a;
}

__device__ __forceinline__ Best block_best(Best mine, Best* shared) {
    for (int by = WARP_THREADS / 2; by; by /= 2) {
        const float score = __shfl_xor_sync(ALL_LANES, mine.score, by);
        const int at = __shfl_xor_sync(ALL_LANES, mine.at, by);
        mine = better(mine, {score, at});
    }
    __syncthreads();
    if (threadIdx.x % WARP_THREADS == 0) shared[threadIdx.x / WARP_THREADS] = mine;
    __syncthreads();
    Best best = shared[0];
    for (int w = 1; w < THREADS / WARP_THREADS; ++w) best = better(best, shared[w]);
    return best;
}

// A uniform number in (0, 1) of this key and counter.
__device__ __forceinline__ float uniform(unsigned long long seed, unsigned a, unsigned b,
                                         unsigned long long draw) {
    unsigned c[4] = {a, b, unsigned(draw), unsigned(draw >> 32)};
    unsigned key[2] = {unsigned(seed), unsigned(seed >> 32)};
    for (int round = 0; round < 10; ++round) {
        const unsigned high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
        const unsigned high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
        const unsigned next[4] = {high1 ^ c[1] ^ key[0], low1, high0 ^ c[3] ^ key[1], low0};
        for (int i = 0; i < 4; ++i) c[i] = next[i];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return (float(c[0] >> 9) + 0.5f) * (1.0f / 8388608.0f);
}

// logits: all heads one after the other, head h from offset[h] to offset[h + 1]; mask: a byte a
// class, 0 for what may not come; bias (heads) added to class 0; chosen (heads) the class, -1 where
// all are masked. temperature 0: arg-max. k: 1 to the size of the smallest head drawn from, or 0 for
// all. draw: number of the draw, counted up on the device.
extern "C" __global__ void __launch_bounds__(THREADS)
sample(const float* logits, const int* offset, const uint8_t* mask, const float* bias,
       float temperature, int k, unsigned long long seed, unsigned long long* draw, int* chosen) {
    __shared__ Best shared[THREADS / WARP_THREADS];
    const int head = blockIdx.x, first = offset[head], n = offset[head + 1] - first;
    const unsigned long long number = draw[head];
    auto logit = [&](int i) { return logits[first + i] + (i == 0 ? bias[head] : 0.0f); };
    auto open = [&](int i) {
        const float value = logit(i);
        return mask[first + i] != 0 && value == value;
    };
    // the k-th largest logit and its class: what comes after it in order is not drawn
    Best last = {INFINITY, -1};
    for (int round = 0; temperature > 0.0f && k > 0 && round < k; ++round) {
        Best mine = {0.0f, -1};
        for (int i = threadIdx.x; i < n; i += THREADS) {
            const float v = logit(i);
            const bool left = last.at < 0 || v < last.score || (v == last.score && i > last.at);
            if (open(i) && left) mine = better(mine, {v, i});
        }
        const Best next = block_best(mine, shared);
        if (next.at < 0) break;
        last = next;
    }
    Best mine = {0.0f, -1};
    for (int i = threadIdx.x; i < n; i += THREADS) {
        if (!open(i)) continue;
        float v = logit(i);
        if (temperature > 0.0f) {
            if (last.at >= 0 && (v < last.score || (v == last.score && i > last.at))) continue;
            v = v / temperature - logf(-logf(uniform(seed, i, head, number)));
        }
        mine = better(mine, {v, i});
    }
    const Best best = block_best(mine, shared);
    if (threadIdx.x == 0) {
        chosen[head] = best.at;
        draw[head] = number + 1;
    }
}
EXPORT(sample)
