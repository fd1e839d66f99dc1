// Work that is queued but not over: copies of pinned memory and collectives. A copy to a device
// is done when a kernel needs it, a copy to the host when the host waits for it, and both are
// over only when the host has waited.

#pragma once

#include "memory.h"

namespace pretend {

struct Late {
    enum Kind { TO_DEVICE, TO_HOST, COLLECTIVE } kind;
    int stream;
    Time time;
    // Device memory that it uses.
    std::vector<Range> device;
    // Pinned memory that it uses.
    uintptr_t host_from = 0;
    uintptr_t host_to = 0;
    std::function<void()> work;

    // Of the pinned memory that is read: to see that the host leaves it alone until then.
    size_t hash = 0;
    std::mutex mutex;
    std::atomic<bool> done = false;

    // Does the work, once.
    void finish();
    void check_host_memory();
};

using LateList = std::vector<std::shared_ptr<Late>>;

void add_late(std::shared_ptr<Late> late);
// Work that must be done before a kernel uses `ranges`. `world` must be locked.
LateList late_on(const std::vector<Range>& ranges);
// A copy from or to this pinned memory comes next.
void before_copy_of(uintptr_t host_from, uintptr_t host_to);
void forget_pinned(uintptr_t host_from, uintptr_t host_to);
void finish_before_free(const Range& range);

// The host waits for all that lies before `clock`.
void host_waits(const Clock& clock, const std::string& what);
void synchronize_device(int device);
// The host learns that all before `clock` is over, without having waited.
void settle(const Clock& clock);
void host_waits_for_stream(int device, const std::string& what);

}  // namespace pretend
