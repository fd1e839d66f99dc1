#include "space.h"

#include <sys/mman.h>

namespace pretend {

namespace {

// Address space of one device. Only what is written takes memory.
constexpr size_t SPAN = size_t(32) << 30;

struct Space {
    char* closed;
    char* open;
    std::array<Memory, MOST_DEVICES> devices;

    Space() {
        auto map = [](int access) {
            int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
            void* at = mmap(nullptr, SPAN * MOST_DEVICES, access, flags, -1, 0);
            TORCH_CHECK(at != MAP_FAILED, "pretend: no address space");
            return static_cast<char*>(at);
        };
        closed = map(PROT_NONE);
        open = map(PROT_READ | PROT_WRITE);
        madvise(open, SPAN * MOST_DEVICES, MADV_DONTDUMP);
        auto start = reinterpret_cast<uintptr_t>(closed);
        for (int i = 0; i < MOST_DEVICES; i++) devices[i].free[start + i * SPAN] = SPAN;
    }
};

Space& space() {
    static auto* it = new Space;
    return *it;
}

}  // namespace

Memory& memory(int device) { return space().devices[device]; }

void add_range(FreeRanges& ranges, uintptr_t at, size_t size) {
    auto next = ranges.lower_bound(at);
    if (next != ranges.end() && next->first == at + size) {
        size += next->second;
        next = ranges.erase(next);
    }
    if (next != ranges.begin()) {
        auto before = std::prev(next);
        if (before->first + before->second == at) {
            before->second += size;
            return;
        }
    }
    ranges[at] = size;
}

uintptr_t cut_range(FreeRanges& ranges, size_t size) {
    auto best = ranges.end();
    for (auto it = ranges.begin(); it != ranges.end(); ++it) {
        if (it->second < size) continue;
        if (best == ranges.end() || it->second < best->second) best = it;
    }
    if (best == ranges.end()) return 0;
    auto [at, whole] = *best;
    ranges.erase(best);
    if (whole > size) ranges[at + size] = whole - size;
    return at;
}

bool is_device_pointer(const void* pointer) {
    auto at = static_cast<const char*>(pointer);
    return at >= space().closed && at < space().closed + SPAN * MOST_DEVICES;
}

int device_of_pointer(const void* pointer) {
    return int((static_cast<const char*>(pointer) - space().closed) / SPAN);
}

void* opened(const void* pointer) {
    auto at = const_cast<char*>(static_cast<const char*>(pointer));
    return is_device_pointer(pointer) ? at - space().closed + space().open : at;
}

size_t allocated_bytes(int device) { return memory(device).allocated; }
size_t peak_bytes(int device) { return memory(device).peak; }
void reset_peak(int device) { memory(device).peak = memory(device).allocated; }

size_t take_step_peak() {
    size_t highest = 0;
    for (auto& m : space().devices) {
        highest = std::max(highest, m.step_peak);
        m.step_peak = m.allocated;
    }
    return highest;
}

}  // namespace pretend
