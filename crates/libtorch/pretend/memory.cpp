#include "memory.h"

#include "late.h"
#include "tape.h"
#include "usage.h"

#include <sys/mman.h>

namespace pretend {

namespace {

// Address space of one device. Only what is written takes memory.
constexpr size_t SPAN = size_t(32) << 30;

// Freed memory that its stream may hand out again at once although another stream may still
// use it. Kept apart, so that the next tensor of that stream gets it and the race shows.
struct Risky {
    uintptr_t at;
    size_t size;
    int stream;
    std::vector<Access> accesses;
};

// Freed memory that another stream uses by record_stream.
struct Waiting {
    uintptr_t at;
    size_t size;
    Clock until;
    int allocations_left;
};

struct Memory {
    FreeRanges free;
    std::map<uintptr_t, Block> used;
    std::vector<Risky> risky;
    std::vector<Waiting> waiting;
    size_t allocated = 0;
    size_t peak = 0;
    size_t step_peak = 0;
    bool has_context = false;
};

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

Memory& memory(int device) { return space().devices[device]; }

size_t capacity() {
    static const size_t bytes = std::min(setting("GPU_BYTES", size_t(8) << 30), SPAN);
    return bytes;
}

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

// The smallest free range that is large enough; 0 without one.
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

void release(int device, uintptr_t at, size_t size, bool counted) {
    auto& m = memory(device);
    add_range(m.free, at, size);
    if (!counted) return;
    m.allocated -= size;
    remove_usage(physical(device), size);
}

// What no stream can use any more becomes ordinary free memory.
void release_settled(int device, bool all) {
    auto& m = memory(device);
    std::erase_if(m.waiting, [&](Waiting& w) {
        bool over = all || w.allocations_left-- <= 0 || host_clock().covers(w.until);
        if (over) release(device, w.at, w.size, true);
        return over;
    });
    std::erase_if(m.risky, [&](Risky& r) {
        Clock known = clock_of(r.stream);
        known.join(host_clock());
        auto done = [&](Access& a) { return known.covers(a.stream, a.time); };
        bool over = all || std::all_of(r.accesses.begin(), r.accesses.end(), done);
        if (over) release(device, r.at, r.size, false);
        return over;
    });
}

std::string mebibytes(size_t bytes) { return c10::str(bytes >> 20, " MiB"); }

// Counts `size` more, or throws in CUDA's words.
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

// Memory that a process needs before its first tensor.
void make_context(int device) {
    auto& m = memory(device);
    if (m.has_context) return;
    m.has_context = true;
    static const size_t bytes = setting("CONTEXT_BYTES", 0);
    bool fits = true;
    if (bytes) add_usage(physical(device), bytes, capacity(), &fits);
    TORCH_CHECK_WITH(OutOfMemoryError, fits, "CUDA error: out of memory (pretend: context)");
}

uintptr_t take_risky(Memory& m, int stream, size_t size, std::vector<Access>& accesses) {
    auto best = m.risky.end();
    for (auto it = m.risky.begin(); it != m.risky.end(); ++it) {
        if (it->stream != stream || it->size < size) continue;
        if (best == m.risky.end() || it->size < best->size) best = it;
    }
    if (best == m.risky.end()) return 0;
    uintptr_t at = best->at;
    accesses = best->accesses;
    if (best->size == size) {
        m.risky.erase(best);
    } else {
        best->at += size;
        best->size -= size;
    }
    return at;
}

uintptr_t take_fresh(int device, size_t size, size_t wanted) {
    auto& m = memory(device);
    charge(device, size, wanted);
    uintptr_t at = cut_range(m.free, size);
    TORCH_CHECK(at, "pretend: the address space of a device is used up");
    return at;
}

uintptr_t take_from_pool(Pool& pool, size_t size, size_t wanted) {
    if (uintptr_t at = cut_range(pool.free, size)) return at;
    uintptr_t at = take_fresh(pool.device, size, wanted);
    add_range(pool.all, at, size);
    return at;
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

void* take(int device, size_t wanted) {
    if (wanted == 0) return nullptr;
    check_device(device);
    size_t size = (wanted + 511) / 512 * 512;
    std::unique_lock<std::mutex> lock(world());
    auto& m = memory(device);
    make_context(device);
    Block block;
    block.size = size;
    block.stream = stream_number(device, current_stream(device));
    release_settled(device, false);
    uintptr_t at = 0;
    if (Tape* tape = captured_by(block.stream)) {
        block.pool = &tape->pool;
        at = take_from_pool(tape->pool, size, wanted);
    } else if ((at = take_risky(m, block.stream, size, block.accesses))) {
        for (auto& access : block.accesses) access.freed = true;
        charge(device, size, wanted);
    } else {
        at = take_fresh(device, size, wanted);
    }
    m.used[at] = std::move(block);
    lock.unlock();
    auto pointer = reinterpret_cast<void*>(at);
    // Device memory is not zeroed: what is read before it is written is NaN here.
    memset(opened(pointer), 0xff, size);
    return pointer;
}

void give_back(void* pointer) {
    if (!pointer) return;
    int device = device_of_pointer(pointer);
    auto at = reinterpret_cast<uintptr_t>(pointer);
    std::unique_lock<std::mutex> lock(world());
    auto& m = memory(device);
    auto found = m.used.find(at);
    if (found == m.used.end()) return;
    size_t size = found->second.size;
    lock.unlock();
    finish_before_free({at, at + size, true});
    lock.lock();
    Block block = std::move(m.used[at]);
    m.used.erase(at);
    if (block.pool) {
        add_range(block.pool->free, at, size);
        return;
    }
    Clock known = clock_of(block.stream);
    known.join(host_clock());
    Clock until;
    std::erase_if(block.accesses, [&](Access& access) {
        bool over = known.covers(access.stream, access.time);
        if (over || !block.other_streams.count(access.stream)) return over;
        until.join(clock_of(access.stream));
        return true;
    });
    if (!block.accesses.empty()) {
        m.allocated -= size;
        remove_usage(physical(device), size);
        m.risky.push_back({at, size, block.stream, std::move(block.accesses)});
    } else if (!until.at.empty()) {
        // The device gets there some time; that it takes long must not fill the memory.
        m.waiting.push_back({at, size, std::move(until), 64});
    } else {
        release(device, at, size, true);
    }
}

void record_stream(const void* pointer, int stream) {
    std::lock_guard<std::mutex> lock(world());
    uintptr_t start = 0;
    Block* block = block_at(reinterpret_cast<uintptr_t>(pointer), &start);
    if (block && block->stream != stream) block->other_streams.insert(stream);
}

void empty_cache() {
    std::lock_guard<std::mutex> lock(world());
    for (int i = 0; i < device_count(); i++) release_settled(i, true);
}

Block* block_at(uintptr_t address, uintptr_t* start) {
    auto& m = memory(device_of_pointer(reinterpret_cast<void*>(address)));
    auto it = m.used.upper_bound(address);
    if (it == m.used.begin()) return nullptr;
    --it;
    if (address >= it->first + it->second.size) return nullptr;
    *start = it->first;
    return &it->second;
}

void forget_recorded(int device) {
    std::lock_guard<std::mutex> lock(world());
    auto forget = [](std::vector<Access>& accesses) {
        std::erase_if(accesses, [](const Access& access) { return access.recorded; });
    };
    for (auto& [at, block] : memory(device).used) forget(block.accesses);
    for (auto& risky : memory(device).risky) forget(risky.accesses);
}

void dissolve(Pool& pool) {
    std::lock_guard<std::mutex> lock(world());
    for (auto& [at, block] : memory(pool.device).used) {
        if (block.pool == &pool) block.pool = nullptr;
    }
    for (auto& [at, size] : pool.free) release(pool.device, at, size, true);
    pool.free.clear();
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
