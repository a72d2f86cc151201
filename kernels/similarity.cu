// Self-similarity: one frame in, how far it is from each of the 80 before it, and the trend, out.
//
// One block: 400 gray cells, their mean removed, against the ring of 80 earlier frames in four
// quadrants (a thread a lag and quadrant), the whole picture as the mean of these, and each of the five
// regions divided by its own mean. Ring, trend and number of frames stay on the device. Reference:
// similarity_ref.py; sums are in another order, so the last bits differ.
//
// Napkin, a frame: reads 57.6 kB of picture and 128 kB of ring, writes 5 kB; 19,200 x 6 + 80 x 400 x 2 =
// 0.2 million operations. In one block the ring is bound by what one multiprocessor reads: some 2 us.
#include "common.cuh"

constexpr int WIDTH = 160, CELLS = 20, BLOCK_H = 6, BLOCK_W = 8, ALL = CELLS * CELLS;
constexpr int LAGS = 80, REGIONS = 5, QUADRANTS = 4, QUADRANT = ALL / QUADRANTS, TREND = 30;
constexpr int THREADS = LAGS * QUADRANTS;
constexpr float FLOOR = 0.5f;

struct SimilarityState {
    float ring[LAGS][ALL];
    float trend[REGIONS][LAGS];
    long long pushed;
};

__device__ __forceinline__ float gray_cell(const uint8_t* frame, int row, int column) {
    int sums[3] = {0, 0, 0};
    for (int y = 0; y < BLOCK_H; ++y)
        for (int x = 0; x < BLOCK_W; ++x)
            for (int c = 0; c < 3; ++c)
                sums[c] += frame[((row * BLOCK_H + y) * WIDTH + column * BLOCK_W + x) * 3 + c];
    // ITU-R BT.601
    const float gray = sums[0] * 0.299f + sums[1] * 0.587f + sums[2] * 0.114f;
    return gray / float(BLOCK_H * BLOCK_W);
}

// frame (120, 160, 3), row and trend_row (5, 80).
extern "C" __global__ void __launch_bounds__(THREADS)
similarity(const uint8_t* frame, SimilarityState* state, float* row, float* trend_row) {
    __shared__ float cells[ALL], distance[REGIONS][LAGS], mean;
    const int tid = threadIdx.x, warp = tid / WARP_THREADS, lane = tid % WARP_THREADS;
    const long long pushed = state->pushed;
    const int existing = pushed < LAGS ? int(pushed) : LAGS;
    const int slot = int(pushed % LAGS);
    for (int i = tid; i < ALL; i += THREADS) {   // i: by quadrant, then row by row
        const int quadrant = i / QUADRANT, within = i % QUADRANT, half = CELLS / 2;
        cells[i] = gray_cell(frame, quadrant / 2 * half + within / half,
                             quadrant % 2 * half + within % half);
    }
    __syncthreads();
    if (warp == 0) {
        float sum = 0.0f;
        for (int i = lane; i < ALL; i += WARP_THREADS) sum += cells[i];
        sum = warp_sum(sum);
        if (lane == 0) mean = sum / float(ALL);
    }
    __syncthreads();
    for (int i = tid; i < ALL; i += THREADS) cells[i] -= mean;
    __syncthreads();
    const int lag = tid / QUADRANTS, quadrant = tid % QUADRANTS;
    float sum = 0.0f;
    if (lag < existing) {
        const float* then = state->ring[(slot + LAGS - 1 - lag) % LAGS] + quadrant * QUADRANT;
        for (int i = 0; i < QUADRANT; ++i) sum += fabsf(then[i] - cells[quadrant * QUADRANT + i]);
    }
    distance[1 + quadrant][lag] = sum / float(QUADRANT);
    __syncthreads();
    if (tid < LAGS)
        distance[0][tid] = 0.25f * (distance[1][tid] + distance[2][tid] + distance[3][tid]
                                    + distance[4][tid]);
    __syncthreads();
    for (int i = tid; i < REGIONS * existing; i += THREADS) {
        const int region = i / existing, at = i % existing;
        const long long seen = pushed - at;
        const float weight = 1.0f / float(seen < TREND ? seen : TREND);
        float& trend = state->trend[region][at];
        trend += weight * (distance[region][at] - trend);
    }
    for (int i = tid; i < ALL; i += THREADS) state->ring[slot][i] = cells[i];
    __syncthreads();
    // a warp a region: the first five write the row, the others the trend
    const int region = warp % REGIONS;
    const float* from = warp < REGIONS ? distance[region] : state->trend[region];
    float* to = (warp < REGIONS ? row : trend_row) + region * LAGS;
    float total = 0.0f;
    for (int i = lane; i < LAGS; i += WARP_THREADS) total += from[i];
    total = warp_sum(total) / float(max(existing, 1)) + FLOOR;
    for (int i = lane; i < LAGS; i += WARP_THREADS) to[i] = from[i] / total;
    if (tid == 0) state->pushed = pushed + 1;
}
EXPORT(similarity)
