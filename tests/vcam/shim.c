// SPDX-License-Identifier: Apache-2.0
// Preloaded beside libcamera on machines whose kernel has no media subsystem and no DMA heaps, so
// that its virtual pipeline runs in tests. Three things are stood in for, each only if the real one
// is missing: the folder of media devices (an empty one), /dev/udmabuf and /dev/dma_heap/* (memory
// files instead of DMA buffers, which is all that a pipeline without hardware needs).
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

DIR *opendir(const char *path) {
    DIR *(*real)(const char *) = dlsym(RTLD_NEXT, "opendir");
    DIR *dir = real(path);
    if (dir || strcmp(path, "/sys/bus/media/devices") != 0) return dir;
    static char empty[] = "/tmp/vcam-XXXXXX";
    static int made;
    if (!made && mkdtemp(empty)) made = 1;
    return real(empty);
}

static int stand_in(const char *path) {
    if (strcmp(path, "/dev/udmabuf") != 0 && strncmp(path, "/dev/dma_heap/", 14) != 0) return -1;
    return memfd_create("vcam", MFD_CLOEXEC);
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);   \
        mode_t mode = 0;                                                 \
        if (flags & (O_CREAT | O_TMPFILE)) {                             \
            va_list args;                                                \
            va_start(args, flags);                                       \
            mode = va_arg(args, int);                                    \
            va_end(args);                                                \
        }                                                                \
        int fd = real(path, flags, mode);                                \
        if (fd >= 0) return fd;                                          \
        int error = errno;                                               \
        fd = stand_in(path);                                             \
        if (fd < 0) errno = error;                                       \
        return fd;                                                       \
    }
OPEN(open)
OPEN(open64)

static int heap_alloc(struct dma_heap_allocation_data *request) {
    int fd = memfd_create("vcam-heap", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)request->len) != 0) return -1;
    request->fd = (unsigned)fd;
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    switch ((unsigned)request) {
    case (unsigned)UDMABUF_CREATE:
        return fcntl((int)((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 3);
    case (unsigned)DMA_HEAP_IOCTL_ALLOC:
        return heap_alloc(argument);
    case (unsigned)DMA_BUF_SET_NAME_A:
    case (unsigned)DMA_BUF_SET_NAME_B:
        return 0;
    case (unsigned)DMA_BUF_IOCTL_SYNC: {
        int result = real(fd, request, argument);
        return result < 0 ? 0 : result;
    }
    default:
        return real(fd, request, argument);
    }
}
