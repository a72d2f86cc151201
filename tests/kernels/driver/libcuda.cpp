// Stands in for NVIDIA's driver in tests: device memory is the host's, kernels run in the CPU shim.
//
// Enough of the driver for pycuda and our faces; what else pycuda links to is added by the test as
// functions that say "not supported". What goes wrong is said from outside:
//   STANDIN_FAULT=cuInit=100     that call answers with that error
//   STANDIN_FAULT=after:cuLaunchKernel=719   it succeeds, later calls answer so: a lost context
//   STANDIN_DEVICES=0            how many GPUs there are, 1 without
//   STANDIN_KERNELS=FOLDER       NAME.so there runs what is loaded from NAME-xyz.fatbin
// Numbers and texts of errors: CUDA Driver API, section "Data types used by CUDA driver", CUresult.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
              FILE_NOT_FOUND = 301, NOT_FOUND = 500, NOT_WHILE_RECORDING = 900;
int lost = 0;   // the error that every call answers with once the context is lost

struct Launch {
    void (*run)(const unsigned*, size_t, char*);
    unsigned dims[6];
    size_t shared;
    std::vector<char> parameters;
    void operator()() { run(dims, shared, parameters.data()); }
};
using Graph = std::vector<Launch>;
Graph* recording = nullptr;

struct Text { int error; const char* text; };
constexpr Text TEXTS[] = {
    {0, "no error"}, {1, "invalid argument"}, {2, "out of memory"},
    {35, "CUDA driver version is insufficient for CUDA runtime version"},
    {46, "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "no CUDA-capable device is detected"}, {101, "invalid device ordinal"},
    {200, "device kernel image is invalid"},
    {209, "no kernel image is available for execution on the device"},
    {222, "the provided PTX was compiled with an unsupported toolchain."},
    {301, "file not found"}, {500, "named symbol not found"},
    {700, "an illegal memory access was encountered"}, {709, "context is destroyed"},
    {719, "unspecified launch failure"}, {801, "operation not supported"},
    {803, "system has unsupported display driver / cuda driver combination"},
    {900, "operation not permitted when stream is capturing"},
};

// The error asked for with this prefix and call, 0 without.
int asked(const char* prefix, const char* call) {
    const char* faults = std::getenv("STANDIN_FAULT");
    const std::string key = std::string(prefix) + call + "=";
    const std::string all = std::string(faults ? faults : "");
    return all.rfind(key, 0) == 0 ? std::atoi(all.c_str() + key.size()) : 0;
}

int begin(const char* call) {
    if (lost) return std::strcmp(call, "cuCtxPopCurrent_v2") ? lost : 0;   // of the thread alone
    if (const int error = asked("", call)) return error;
    lost = asked("after:", call);
    return 0;
}

}  // namespace

// A function of the driver: first what was asked to go wrong, then what it does.
#define DRIVER(name, names, ...)                                              \
    static int name##_body(__VA_ARGS__);                                      \
    extern "C" int name(__VA_ARGS__) {                                        \
        const int error = begin(#name);                                       \
        return error ? error : name##_body names;                             \
    }                                                                         \
    static int name##_body(__VA_ARGS__)

extern "C" int cuGetErrorString(int error, const char** text) {
    *text = "unknown error";
    for (const Text& known : TEXTS)
        if (known.error == error) *text = known.text;
    return 0;
}

DRIVER(cuInit, (flags), unsigned flags) { return flags ? INVALID_VALUE : 0; }
DRIVER(cuDriverGetVersion, (version), int* version) { return *version = 13000, 0; }
DRIVER(cuDeviceGetCount, (count), int* count) {
    const char* devices = std::getenv("STANDIN_DEVICES");
    return *count = devices ? std::atoi(devices) : 1, 0;
}
DRIVER(cuDeviceGet, (device, ordinal), int* device, int ordinal) {
    return *device = ordinal, ordinal == 0 ? 0 : INVALID_DEVICE;
}
DRIVER(cuDeviceGetName, (name, size, device), char* name, int size, int device) {
    std::snprintf(name, size, "stand-in %d", device);
    return 0;
}
DRIVER(cuDeviceComputeCapability, (major, minor, device), int* major, int* minor, int device) {
    return *major = 8, *minor = 7, device;
}
DRIVER(cuDeviceGetAttribute, (value, attribute, device), int* value, int attribute, int device) {
    // threads a block, warp, multiprocessors, threads of one of them, capability
    const int known[][2] = {{1, 1024}, {10, 32}, {16, 2}, {39, 1536}, {75, 8}, {76, 7}};
    *value = 1;
    for (auto [of, is] : known) *value = of == attribute ? is : *value;
    return device;
}
DRIVER(cuDeviceTotalMem_v2, (bytes, device), size_t* bytes, int device) {
    return *bytes = size_t(1) << 30, device;
}
DRIVER(cuMemGetInfo_v2, (free_bytes, all), size_t* free_bytes, size_t* all) {
    return *free_bytes = *all = size_t(1) << 30, 0;
}

DRIVER(cuDevicePrimaryCtxRetain, (context, device), void** context, int device) {
    static char primary;
    return *context = &primary, device;
}
DRIVER(cuDevicePrimaryCtxRelease_v2, (device), int device) { return device; }
DRIVER(cuCtxPushCurrent_v2, (context), void* context) { return context ? 0 : INVALID_VALUE; }
DRIVER(cuCtxPopCurrent_v2, (context), void** context) {
    if (context) *context = nullptr;
    return 0;
}
DRIVER(cuCtxGetDevice, (device), int* device) { return *device = 0, 0; }
DRIVER(cuCtxGetApiVersion, (context, version), void* context, unsigned* version) {
    return *version = 3020, (void)context, 0;
}
DRIVER(cuCtxSynchronize, (), ) { return 0; }

DRIVER(cuMemAlloc_v2, (at, bytes), uint64_t* at, size_t bytes) {
    if (recording) return NOT_WHILE_RECORDING;
    void* memory = std::malloc(bytes);
    if (!memory) return OUT_OF_MEMORY;
    std::memset(memory, 0xA5, bytes);   // as on a GPU, nothing there is zero by itself
    return *at = reinterpret_cast<uint64_t>(memory), 0;
}
DRIVER(cuMemFree_v2, (at), uint64_t at) { return std::free(reinterpret_cast<void*>(at)), 0; }
DRIVER(cuMemcpyHtoD_v2, (to, from, n), uint64_t to, const void* from, size_t n) {
    if (recording) return NOT_WHILE_RECORDING;
    return std::memcpy(reinterpret_cast<void*>(to), from, n), 0;
}
DRIVER(cuMemcpyDtoH_v2, (to, from, n), void* to, uint64_t from, size_t n) {
    if (recording) return NOT_WHILE_RECORDING;
    return std::memcpy(to, reinterpret_cast<void*>(from), n), 0;
}
DRIVER(cuMemcpyDtoD_v2, (to, from, n), uint64_t to, uint64_t from, size_t n) {
    if (recording) return NOT_WHILE_RECORDING;
    return std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), n), 0;
}
DRIVER(cuMemcpyDtoDAsync_v2, (to, from, n, stream), uint64_t to, uint64_t from, size_t n,
       void* stream) {
    return (void)stream, cuMemcpyDtoD_v2(to, from, n);
}

DRIVER(cuModuleLoad, (module, path), void** module, const char* path) {
    const std::string file(path), name = file.substr(file.rfind('/') + 1);
    if (!std::ifstream(file)) return FILE_NOT_FOUND;
    const char* folder = std::getenv("STANDIN_KERNELS");
    const std::string library = std::string(folder ? folder : ".") + "/" +
                                name.substr(0, name.find('-')) + ".so";
    *module = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    return *module ? 0 : INVALID_IMAGE;
}
DRIVER(cuModuleUnload, (module), void* module) { return (void)module, 0; }
DRIVER(cuModuleGetFunction, (function, module, name), void** function, void* module,
       const char* name) {
    *function = dlsym(module, (std::string("packed_") + name).c_str());
    return *function ? 0 : NOT_FOUND;
}
DRIVER(cuFuncSetBlockShape, (f, x, y, z), void* f, int x, int y, int z) {
    return f && x * y * z > 0 ? 0 : INVALID_VALUE;
}
DRIVER(cuLaunchKernel, (f, gx, gy, gz, bx, by, bz, shared, stream, args, extra), void* f,
       unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
       unsigned shared, void* stream, void** args, void** extra) {
    (void)stream, (void)args;
    if (bx * by * bz > 1024 || !gx || !extra) return INVALID_VALUE;
    // extra: "the parameters' buffer", where it is, "its size", where that is
    const char* first = static_cast<char*>(extra[1]);
    Launch launch{reinterpret_cast<void (*)(const unsigned*, size_t, char*)>(f),
                  {gx, gy, gz, bx, by, bz}, shared,
                  {first, first + *static_cast<size_t*>(extra[3])}};
    if (recording)
        recording->push_back(launch);
    else
        launch();
    return 0;
}

DRIVER(cuStreamCreate, (stream, flags), void** stream, unsigned flags) {
    static char one;
    return *stream = &one, (void)flags, 0;
}
DRIVER(cuStreamDestroy_v2, (stream), void* stream) { return stream ? 0 : INVALID_VALUE; }
DRIVER(cuStreamSynchronize, (stream), void* stream) {
    return (void)stream, recording ? NOT_WHILE_RECORDING : 0;
}
DRIVER(cuStreamBeginCapture_v2, (stream, mode), void* stream, int mode) {
    if (recording || !stream || mode < 0 || mode > 2) return INVALID_VALUE;
    return recording = new Graph, 0;
}
DRIVER(cuStreamEndCapture, (stream, graph), void* stream, Graph** graph) {
    if (!recording || !stream) return INVALID_VALUE;
    return *graph = recording, recording = nullptr, 0;
}
DRIVER(cuGraphGetNodes, (graph, nodes, count), Graph* graph, void** nodes, size_t* count) {
    return *count = graph->size(), nodes ? INVALID_VALUE : 0;
}
DRIVER(cuGraphInstantiateWithFlags, (ready, graph, flags), Graph** ready, Graph* graph,
       unsigned long long flags) {
    return *ready = new Graph(*graph), flags ? INVALID_VALUE : 0;
}
DRIVER(cuGraphLaunch, (ready, stream), Graph* ready, void* stream) {
    if (!stream) return INVALID_VALUE;
    for (Launch& launch : *ready) launch();
    return 0;
}
DRIVER(cuGraphExecDestroy, (ready), Graph* ready) { return delete ready, 0; }
DRIVER(cuGraphDestroy, (graph), Graph* graph) { return delete graph, 0; }

using Time = std::chrono::steady_clock::time_point;
DRIVER(cuEventCreate, (event, flags), Time** event, unsigned flags) {
    return *event = new Time, (void)flags, 0;
}
DRIVER(cuEventRecord, (event, stream), Time* event, void* stream) {
    return *event = std::chrono::steady_clock::now(), (void)stream, 0;
}
DRIVER(cuEventSynchronize, (event), Time* event) { return event ? 0 : INVALID_VALUE; }
DRIVER(cuEventElapsedTime_v2, (ms, from, to), float* ms, Time* from, Time* to) {
    return *ms = std::chrono::duration<float, std::milli>(*to - *from).count(), 0;
}
DRIVER(cuEventDestroy_v2, (event), Time* event) { return delete event, 0; }
