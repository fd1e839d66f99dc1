// Device memory.
//
// A device pointer is an address that nobody may touch; a fixed distance away lies the memory
// that kernels work on. So a pointer of a device tensor that reaches code of the host faults at
// once, in whatever thread, while kernels run.

#pragma once

#include "clock.h"

namespace pretend {

// Part of a device's memory, by device addresses.
struct Range {
    uintptr_t from = 0;
    uintptr_t to = 0;
    bool writes = false;

    bool meets(uintptr_t other_from, uintptr_t other_to) const {
        return from < other_to && other_from < to;
    }
};

// What a kernel did to a range.
struct Access {
    Range range;
    int stream;
    Time time;
    // The operator; a text that lives for ever.
    const char* by;
    // The memory was freed since, and belongs to another tensor.
    bool freed = false;
    // By work that was recorded, and did not run.
    bool recorded = false;
};

using FreeRanges = std::map<uintptr_t, size_t>;

// The private memory of a graph: what was allocated while it was recorded. A part that is free
// may be used again within the recording only.
struct Pool {
    int device = 0;
    FreeRanges free;
    // Everything that the pool got from the device.
    FreeRanges all;
};

struct Block {
    size_t size = 0;
    // The stream on which it was allocated, and those that record_stream named.
    int stream = 0;
    std::set<int> other_streams;
    Pool* pool = nullptr;
    std::vector<Access> accesses;
};

bool is_device_pointer(const void* pointer);
int device_of_pointer(const void* pointer);
// The memory that a device pointer stands for; other pointers stay as they are.
void* opened(const void* pointer);

void* take(int device, size_t bytes);
void give_back(void* pointer);
void record_stream(const void* pointer, int stream);
// Memory that waits for other streams becomes free, as after a synchronization.
void empty_cache();

// The block that holds an address, or nullptr. `world` must be locked.
Block* block_at(uintptr_t address, uintptr_t* start);

// What was recorded did not run.
void forget_recorded(int device);

// The tensors of a graph's pool that live on become ordinary ones.
void dissolve(Pool& pool);

size_t memory_limit();
size_t allocated_bytes(int device);
size_t peak_bytes(int device);
void reset_peak(int device);
// The highest sum since this was called last, over all devices.
size_t take_step_peak();

}  // namespace pretend
