// What a graph records: operators to be run again on the same memory.

#pragma once

#include "memory.h"

namespace pretend {

struct Tape {
    int device;
    // The stream that is recorded, and those that wait for it.
    int origin;
    std::set<int> streams;
    Pool pool;
    std::vector<std::function<void()>> works;
    std::vector<Range> ranges;
    // CUDA runs nothing of what it records. Here it runs, to learn shapes; then the memory that
    // it found is put back.
    std::map<uintptr_t, std::vector<char>> before;
    // Something was done that a capture forbids.
    bool spoiled = false;

    // Keeps the block that holds `pointer`, before a kernel writes it.
    void keep(const void* pointer);
    void put_back();
    void add(std::function<void()> work);
};

// A graph is being recorded by this process.
bool recording();
// Throws if so: `what` makes the host wait or frees memory.
void forbid_in_capture(const std::string& what);
// The recording that the current stream of a device belongs to, or nullptr.
Tape* tape_of(int device);
// The same for a stream by number, with `world` locked.
Tape* captured_by(int stream);
Tape* current_tape();
// `stream` waits for `event`: it joins the recording that the event belongs to.
void capture_follows(int stream, const Event& event);

}  // namespace pretend
