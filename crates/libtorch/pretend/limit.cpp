// How much memory a process may use.

#include "space.h"
#include "usage.h"

namespace pretend {

namespace {

// Of the address space of a device.
constexpr size_t MOST_BYTES = size_t(32) << 30;

size_t capacity() {
    static const size_t bytes = std::min(setting("GPU_BYTES", size_t(8) << 30), MOST_BYTES);
    return bytes;
}

std::string mebibytes(size_t bytes) { return c10::str(bytes >> 20, " MiB"); }

}  // namespace

size_t memory_limit() {
    static const size_t bytes = [] {
        double share = 1;
        for (const char* name : {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"}) {
            const char* key = "per_process_memory_fraction:";
            const char* text = getenv(name);
            const char* found = text ? strstr(text, key) : nullptr;
            if (found) share = atof(found + strlen(key));
        }
        return size_t(share * capacity());
    }();
    return bytes;
}

void charge(int device, size_t size, size_t wanted) {
    auto& m = memory(device);
    for (bool again : {false, true}) {
        bool fits = true;
        size_t sum = m.allocated + size;
        if (sum <= memory_limit()) sum = add_usage(physical(device), size, capacity(), &fits);
        else fits = false;
        if (fits) break;
        if (!again) {
            release_settled(device, true);
            continue;
        }
        size_t others = sum > m.allocated + size ? sum - m.allocated - size : 0;
        size_t room = std::min(memory_limit(), capacity() - std::min(others, capacity()));
        TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ",
                         mebibytes(wanted), ". GPU ", device, " has a total capacity of ",
                         mebibytes(capacity()), " of which ",
                         mebibytes(room - std::min(room, m.allocated)), " is free. Allowed to ",
                         "this process: ", mebibytes(memory_limit()), ", used by others: ",
                         mebibytes(others), ". (pretend)");
    }
    m.allocated += size;
    m.peak = std::max(m.peak, m.allocated);
    m.step_peak = std::max(m.step_peak, m.allocated);
}

void charge_context(int device) {
    auto& m = memory(device);
    if (m.has_context) return;
    m.has_context = true;
    static const size_t bytes = setting("CONTEXT_BYTES", 0);
    bool fits = true;
    if (bytes) add_usage(physical(device), bytes, capacity(), &fits);
    TORCH_CHECK_WITH(OutOfMemoryError, fits, "CUDA error: out of memory (pretend: context)");
}

}  // namespace pretend
