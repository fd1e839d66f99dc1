#include "memory.h"

#include "late.h"
#include "space.h"
#include "tape.h"
#include "usage.h"

namespace pretend {

namespace {

void release(int device, uintptr_t at, size_t size, bool counted) {
    auto& m = memory(device);
    add_range(m.free, at, size);
    if (!counted) return;
    m.allocated -= size;
    remove_usage(physical(device), size);
}

// CUDA's allocator keeps small and large blocks apart.
bool is_small(size_t size) { return size <= size_t(1) << 20; }

uintptr_t take_risky(Memory& m, int stream, size_t size, std::vector<Access>& accesses) {
    auto best = m.risky.end();
    for (auto it = m.risky.begin(); it != m.risky.end(); ++it) {
        if (it->stream != stream || it->size < size) continue;
        if (is_small(it->size) != is_small(size)) continue;
        if (best == m.risky.end() || it->size < best->size) best = it;
    }
    if (best == m.risky.end()) return 0;
    uintptr_t at = best->at;
    accesses = best->accesses;
    for (auto& access : accesses) access.freed = true;
    if (best->size == size) {
        m.risky.erase(best);
    } else {
        best->at += size;
        best->size -= size;
    }
    return at;
}

uintptr_t take_fresh(int device, size_t size) {
    uintptr_t at = cut_range(memory(device).free, size);
    TORCH_CHECK(at, "pretend: the address space of a device is used up");
    return at;
}

uintptr_t take_from_pool(Pool& pool, size_t size, size_t wanted) {
    if (uintptr_t at = cut_range(pool.free, size)) return at;
    charge(pool.device, size, wanted);
    uintptr_t at = take_fresh(pool.device, size);
    add_range(pool.all, at, size);
    return at;
}

}  // namespace

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

void* take(int device, size_t wanted) {
    if (wanted == 0) return nullptr;
    check_device(device);
    size_t size = (wanted + 511) / 512 * 512;
    std::unique_lock<std::mutex> lock(world());
    auto& m = memory(device);
    charge_context(device);
    Block block;
    block.size = size;
    block.stream = stream_number(device, current_stream(device));
    release_settled(device, false);
    uintptr_t at = 0;
    if (Tape* tape = captured_by(block.stream)) {
        block.pool = &tape->pool;
        at = take_from_pool(tape->pool, size, wanted);
    } else {
        charge(device, size, wanted);
        at = take_risky(m, block.stream, size, block.accesses);
        if (!at) at = take_fresh(device, size);
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

}  // namespace pretend
