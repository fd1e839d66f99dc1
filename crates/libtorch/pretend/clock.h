// Streams, events, and what happens before what (vector clocks).

#pragma once

#include "settings.h"

namespace pretend {

using Time = uint64_t;

// For each stream the number of its operations that lie before.
struct Clock {
    std::vector<Time> at;

    void join(const Clock& other);
    bool covers(int stream, Time time) const;
    bool covers(const Clock& other) const;
    // One more operation on `stream`; its time.
    Time tick(int stream);
};

// Queries that an event, a stream or a collective answers with "not yet" where nothing waited for
// it. Then it answers "over", for a program may ask until it is.
constexpr int UNANSWERED = 8;

struct Event {
    Clock clock;
    double when_ms = 0;
    // Since the last recording.
    int queries = 0;
    bool in_capture = false;
};

// Guards clocks, memory and copies that are not over.
std::mutex& world();

// ---- These four are called with `world` locked.

// Streams of all devices are numbered as they are met.
int stream_number(int device, int64_t id);
Clock& clock_of(int stream);
// All that the host knows to be over. One for all threads: what one thread waited for, others
// are taken to know, so that no correct program is refused.
Clock& host_clock();
Clock clock_of_device(int device);

std::string stream_name(int stream);
int device_of_stream(int stream);
bool is_default_stream(int stream);
// The current stream of the calling thread.
int64_t& current_stream(int device);
int64_t new_stream(bool from_pool);

double now_ms();

}  // namespace pretend
