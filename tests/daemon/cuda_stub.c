/* A CUDA driver for tests: one device whose memory is the processor's, work done as it is queued.
 *
 * Recording runs the work too and keeps nothing but a number; what a replay does is up to the
 * caller's hook. CUDA_STUB_FAIL="cuMemAlloc_v2:2" lets a function give an error once it is called
 * for the CUDA_STUB_AFTER-th time, and from then on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long address;
typedef struct {
    size_t x, y;
    unsigned memory;
    void *host;
    address device;
    void *array;
    size_t pitch;
} side;
typedef struct {
    side source, target;
    size_t width, height;
} copy2d;

static long calls[32], allocated;
static void (*replay)(void);

static int result(const char *name)
{
    const char *fail = getenv("CUDA_STUB_FAIL"), *after = getenv("CUDA_STUB_AFTER");
    size_t length = strlen(name);
    static long seen;
    if (!fail || strncmp(fail, name, length) || fail[length] != ':')
        return 0;
    return ++seen > (after ? atol(after) : 0) ? atoi(fail + length + 1) : 0;
}

void stub_on_replay(void (*hook)(void)) { replay = hook; }
long stub_allocated(void) { return allocated; }
long stub_launches(void) { return calls[0]; }

int cuInit(unsigned flags) { return result("cuInit"); }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return result("cuDeviceGet"); }
int cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "Stub"); return 0; }

int cuDeviceGetAttribute(int *value, int number, int device)
{
    const char *integrated = getenv("CUDA_STUB_INTEGRATED");
    *value = number == 75 ? 8 : number == 76 ? 7 : number == 18 ? integrated != NULL : 0;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = &calls;
    allocated++;
    return result("cuDevicePrimaryCtxRetain");
}

int cuDevicePrimaryCtxRelease_v2(int device) { allocated--; return 0; }
int cuCtxSetCurrent(void *context) { return result("cuCtxSetCurrent"); }

int cuMemAlloc_v2(address *made, size_t size)
{
    int failed = result("cuMemAlloc_v2");
    if (failed)
        return failed;
    *made = (address)malloc(size);
    memset((void *)*made, 0xff, size);   /* as floats: not a number, as fresh memory may be */
    allocated++;
    return 0;
}

int cuMemFree_v2(address freed) { free((void *)freed); allocated--; return 0; }

int cuMemHostAlloc(void **made, size_t size, unsigned flags)
{
    *made = malloc(size);
    allocated++;
    return result("cuMemHostAlloc");
}

int cuMemFreeHost(void *freed) { free(freed); allocated--; return 0; }

int cuMemHostGetDevicePointer_v2(address *device, void *host, unsigned flags)
{
    *device = (address)host;
    return 0;
}

int cuMemcpyHtoDAsync_v2(address target, const void *source, size_t size, void *stream)
{
    memcpy((void *)target, source, size);
    return result("cuMemcpyHtoDAsync_v2");
}

int cuMemcpyDtoHAsync_v2(void *target, address source, size_t size, void *stream)
{
    memcpy(target, (void *)source, size);
    return 0;
}

int cuMemcpy2DAsync_v2(const copy2d *c, void *stream)
{
    if (c->source.memory != 2 || c->target.memory != 2)
        return 1;
    for (size_t row = 0; row < c->height; row++)
        memcpy((char *)c->target.device + row * c->target.pitch,
               (char *)c->source.device + row * c->source.pitch, c->width);
    return 0;
}

int cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); allocated++; return 0; }
int cuStreamDestroy_v2(void *stream) { free(stream); allocated--; return 0; }
int cuStreamSynchronize(void *stream) { return result("cuStreamSynchronize"); }
int cuStreamBeginCapture_v2(void *stream, int mode) { return result("cuStreamBeginCapture_v2"); }
int cuStreamEndCapture(void *stream, void **graph) { *graph = malloc(1); return 0; }
int cuGraphDestroy(void *graph) { free(graph); return 0; }

int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags)
{
    *made = malloc(1);
    allocated++;
    return 0;
}

int cuGraphExecDestroy(void *graph) { free(graph); allocated--; return 0; }

int cuGraphLaunch(void *graph, void *stream)
{
    int failed = result("cuGraphLaunch");
    calls[0]++;
    if (!failed && replay)
        replay();
    return failed;
}

int cuGetErrorName(int error, const char **name)
{
    *name = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : error == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == 35 ? "CUDA_ERROR_INSUFFICIENT_DRIVER" : NULL;
    return *name ? 0 : 1;
}
