// The address space of all devices, and what each device's memory is made of.

#pragma once

#include "memory.h"

namespace pretend {

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

Memory& memory(int device);
void add_range(FreeRanges& ranges, uintptr_t at, size_t size);
// The smallest free range that is large enough; 0 without one.
uintptr_t cut_range(FreeRanges& ranges, size_t size);

// These three with `world` locked. Counts `size` more of a device, or throws in CUDA's words.
void charge(int device, size_t size, size_t wanted);
// Memory that a process needs before its first tensor.
void charge_context(int device);
// What no stream can use any more becomes ordinary free memory; with `all` the rest too.
void release_settled(int device, bool all);

}  // namespace pretend
