#include "late.h"

#include "counts.h"
#include "tape.h"

#include <string_view>

namespace pretend {

namespace {

// In the order of queuing.
LateList& pending() {
    static auto* it = new LateList;
    return *it;
}

size_t hash_of(uintptr_t from, uintptr_t to) {
    auto text = std::string_view(reinterpret_cast<const char*>(from), to - from);
    return std::hash<std::string_view>()(text);
}

bool meets_host(const Late& late, uintptr_t from, uintptr_t to) {
    return late.host_from < to && from < late.host_to;
}

bool meets_device(const Late& late, const std::vector<Range>& ranges) {
    for (auto& own : late.device) {
        for (auto& other : ranges) {
            if (own.meets(other.from, other.to)) return true;
        }
    }
    return false;
}

// Removes from the list what `choose` says, and returns it.
template <typename F>
LateList extract(F choose) {
    LateList chosen;
    std::erase_if(pending(), [&](auto& late) {
        bool is_chosen = choose(*late);
        if (is_chosen) chosen.push_back(late);
        return is_chosen;
    });
    return chosen;
}

void finish_all(const LateList& list) {
    for (auto& late : list) late->finish();
    for (auto& late : list) late->check_host_memory();
}

}  // namespace

void Late::check_host_memory() {
    if (kind != TO_DEVICE) return;
    size_t now = hash_of(host_from, host_to);
    // Told once.
    bool same = std::exchange(hash, now) == now;
    if (!same) count_race("pinned memory");
    TORCH_CHECK(same, "pretend: race: the host changed pinned memory whose copy to the device on ",
                stream_name(stream), " was not over");
}

void Late::finish() {
    std::lock_guard<std::mutex> lock(mutex);
    if (done) return;
    // Also after a failure, which is told once.
    struct Mark {
        std::atomic<bool>& done;
        ~Mark() { done = true; }
    } mark{done};
    check_host_memory();
    work();
}

void add_late(std::shared_ptr<Late> late) {
    if (late->kind == Late::TO_DEVICE) late->hash = hash_of(late->host_from, late->host_to);
    std::lock_guard<std::mutex> lock(world());
    auto& list = pending();
    // A program that never waits must not make this list long.
    bool is_long = list.size() > 4096 && list.front()->done;
    if (is_long) list.erase(list.begin());
    list.push_back(std::move(late));
}

LateList late_on(const std::vector<Range>& ranges) {
    LateList found;
    for (auto& late : pending()) {
        if (!late->done && meets_device(*late, ranges)) found.push_back(late);
    }
    return found;
}

void before_copy_of(uintptr_t host_from, uintptr_t host_to) {
    LateList found;
    {
        std::lock_guard<std::mutex> lock(world());
        for (auto& late : pending()) {
            if (meets_host(*late, host_from, host_to)) found.push_back(late);
        }
    }
    finish_all(found);
}

void forget_pinned(uintptr_t host_from, uintptr_t host_to) {
    LateList found;
    {
        std::lock_guard<std::mutex> lock(world());
        found = extract([&](Late& late) { return meets_host(late, host_from, host_to); });
    }
    try {
        for (auto& late : found) late->finish();
    } catch (const std::exception& error) {
        TORCH_WARN(error.what());
    }
}

void finish_before_free(const Range& range) {
    LateList found;
    {
        std::lock_guard<std::mutex> lock(world());
        found = late_on({range});
    }
    try {
        for (auto& late : found) late->finish();
    } catch (const std::exception& error) {
        TORCH_WARN(error.what());
    }
}

void settle(const Clock& clock) {
    LateList over;
    {
        std::lock_guard<std::mutex> lock(world());
        host_clock().join(clock);
        over = extract(
            [](Late& late) { return host_clock().covers(late.stream, late.time); });
    }
    finish_all(over);
}

void host_waits(const Clock& clock, const std::string& what) {
    count_sync(what);
    settle(clock);
}

void synchronize_device(int device) {
    Clock clock;
    {
        std::lock_guard<std::mutex> lock(world());
        clock = clock_of_device(device);
    }
    host_waits(clock, "synchronizeDevice");
}

void host_waits_for_stream(int device, const std::string& what) {
    Clock clock;
    {
        std::lock_guard<std::mutex> lock(world());
        clock = clock_of(stream_number(device, current_stream(device)));
    }
    host_waits(clock, what);
}

}  // namespace pretend
