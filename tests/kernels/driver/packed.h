// Put in front of a kernel for the stand-in driver: parameters come in one buffer, as pycuda packs
// them, every one at its own alignment.
#pragma once
#include "shim/cuda_shim.h"

namespace packed {

template <class... P>
void launch(void (*kernel)(P...), const unsigned* dims, size_t dynamic, char* buffer) {
    size_t end = 0;
    auto place = [&](size_t size, size_t alignment) -> void* {
        const size_t at = (end + alignment - 1) / alignment * alignment;
        end = at + size;
        return buffer + at;
    };
    void* args[] = {place(sizeof(P), alignof(P))...};   // in braces: from left to right
    shim::launch(kernel, dims, dynamic, args);
}

}  // namespace packed

#undef EXPORT
#define EXPORT(kernel)                                                                       \
    extern "C" void packed_##kernel(const unsigned* dims, size_t dynamic, char* buffer) {    \
        packed::launch(kernel, dims, dynamic, buffer);                                       \
    }
