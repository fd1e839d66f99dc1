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

// As CUDA's allocator writes sizes.
std::string written(size_t bytes) {
    if (bytes < 1024) return c10::str(bytes, " bytes");
    double size = double(bytes) / 1024;
    const char* unit = " KiB";
    for (const char* next : {" MiB", " GiB"}) {
        if (size < 1024) break;
        size /= 1024;
        unit = next;
    }
    char text[32];
    snprintf(text, sizeof text, "%.2f%s", size, unit);
    return text;
}

// `others` is what other processes use.
bool try_to_charge(int device, size_t size, size_t* others) {
    size_t own = memory(device).allocated + size;
    *others = 0;
    if (own > memory_limit()) return false;
    bool fits = true;
    size_t sum = add_usage(physical(device), size, capacity(), &fits);
    *others = sum - std::min(sum, own);
    return fits;
}

[[noreturn]] void throw_out_of_memory(int device, size_t wanted, size_t others) {
    size_t room = std::min(memory_limit(), capacity() - std::min(others, capacity()));
    size_t free = room - std::min(room, memory(device).allocated);
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ",
                     written(wanted), ". GPU ", device, " has a total capacity of ",
                     written(capacity()), " of which ", written(free), " is free. ",
                     "Allowed to this process: ", written(memory_limit()),
                     ", used by others: ", written(others), ". (pretend)");
    abort();
}

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
    size_t others = 0;
    bool fits = try_to_charge(device, size, &others);
    if (!fits) {
        // As CUDA's allocator, which then waits for the device and frees what it keeps.
        release_settled(device, true);
        fits = try_to_charge(device, size, &others);
    }
    if (!fits) throw_out_of_memory(device, wanted, others);
    auto& m = memory(device);
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
