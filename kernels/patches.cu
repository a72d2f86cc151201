// Video front end: a camera's own buffer in, a 120x160 RGB frame and its 40x40 patches out.
//
// One thread a pixel of the result: the exact mean of the source under its rectangle (whole numbers,
// rounded half up once), colour conversion, normalised value at its place among the patches. YUV
// planes are averaged first and converted afterwards. Reference: patches_ref.py, equal bit for bit.
//
// Napkin, 640x480 NV12: reads 0.46 MB once, writes 58 kB of frame and 115 kB of halves; 19,200 threads
// with some 24 multiply-adds of 64 bits each: 1.4 million operations. Bound by memory (0.4 us at
// 1.5 TB/s; 3 us at the 200 GB/s of an Orin).
#include "common.cuh"

constexpr int HEIGHT = 120, WIDTH = 160, SIDE = 40;
enum Layout { RGB, BGR, NV12, YUYV };

struct Plane {
    const uint8_t* data;
    int row_bytes, pixel_bytes;   // from sample to sample, down and right
    int down, right;              // luma pixels that a sample covers
};

// Mean of one channel under the rectangle of result pixel (y, x).
__device__ __forceinline__ int area_mean(const Plane& p, int channel, int top, int left, int rows,
                                         int columns, int y, int x) {
    const int64_t unit_y = int64_t(p.down) * HEIGHT, unit_x = int64_t(p.right) * WIDTH;
    const int64_t y0 = int64_t(top) * HEIGHT + int64_t(y) * rows, y1 = y0 + rows;
    const int64_t x0 = int64_t(left) * WIDTH + int64_t(x) * columns, x1 = x0 + columns;
    int64_t sum = 0;
    for (int64_t i = y0 / unit_y; i * unit_y < y1; ++i) {
        const int64_t a = i * unit_y > y0 ? i * unit_y : y0;
        const int64_t b = (i + 1) * unit_y < y1 ? (i + 1) * unit_y : y1;
        const uint8_t* row = p.data + i * p.row_bytes + channel;
        int64_t line = 0;
        for (int64_t j = x0 / unit_x; j * unit_x < x1; ++j) {
            const int64_t c = j * unit_x > x0 ? j * unit_x : x0;
            const int64_t d = (j + 1) * unit_x < x1 ? (j + 1) * unit_x : x1;
            line += row[j * p.pixel_bytes] * (d - c);
        }
        sum += line * (b - a);
    }
    const int64_t total = int64_t(rows) * columns;
    return int((2 * sum + total) / (2 * total));
}

__device__ __forceinline__ uint8_t clip8(int v) { return uint8_t(min(max(v, 0), 255)); }

// first, second: the planes of the layout (the second is not looked at for RGB and BGR); level (256)
// normalised value of each pixel level; frame (120, 160, 3); patch (12, 4800).
template <class T>
__device__ __forceinline__ void pixel(Plane first, Plane second, int layout, int top, int left,
                                      int rows, int columns, const float* level, uint8_t* frame,
                                      T* patch) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= HEIGHT * WIDTH) return;
    const int y = at / WIDTH, x = at % WIDTH;
    auto mean = [&](const Plane& p, int channel) {
        return area_mean(p, channel, top, left, rows, columns, y, x);
    };
    uint8_t rgb[3];
    if (layout == RGB || layout == BGR) {
        for (int c = 0; c < 3; ++c) rgb[c] = uint8_t(mean(first, layout == RGB ? c : 2 - c));
    } else {
        const int v_at = layout == NV12 ? 1 : 2;   // from U to V: UVUV, or YUYV
        const int c = (mean(first, 0) - 16) * 298 + 128;
        const int d = mean(second, 0) - 128, e = mean(second, v_at) - 128;
        rgb[0] = clip8((c + 409 * e) >> 8);
        rgb[1] = clip8((c - 100 * d - 208 * e) >> 8);
        rgb[2] = clip8((c + 516 * d) >> 8);
    }
    const int cell = y / SIDE * (WIDTH / SIDE) + x / SIDE;
    const int within = (y % SIDE * SIDE + x % SIDE) * 3;
    for (int c = 0; c < 3; ++c) {
        frame[at * 3 + c] = rgb[c];
        store(&patch[cell * SIDE * SIDE * 3 + within + c], level[rgb[c]]);
    }
}

#define ENTRY(name, type)                                                                        \
    extern "C" __global__ void __launch_bounds__(128)                                            \
    name(const uint8_t* first, int first_row, int first_pixel, const uint8_t* second,            \
         int second_row, int second_pixel, int down, int right, int layout, int top, int left,   \
         int rows, int columns, const float* level, uint8_t* frame, type* patch) {               \
        pixel({first, first_row, first_pixel, 1, 1}, {second, second_row, second_pixel, down,    \
              right}, layout, top, left, rows, columns, level, frame, patch);                    \
    }
ENTRY(patches_half, __half)
ENTRY(patches_float, float)
EXPORT(patches_half)
EXPORT(patches_float)
