#include "clock.h"

#include <chrono>
#include <deque>

namespace pretend {

void Clock::join(const Clock& other) {
    if (at.size() < other.at.size()) at.resize(other.at.size());
    for (size_t i = 0; i < other.at.size(); i++) at[i] = std::max(at[i], other.at[i]);
}

bool Clock::covers(int stream, Time time) const {
    return time == 0 || (size_t(stream) < at.size() && at[stream] >= time);
}

bool Clock::covers(const Clock& other) const {
    for (size_t i = 0; i < other.at.size(); i++) {
        if (!covers(int(i), other.at[i])) return false;
    }
    return true;
}

Time Clock::tick(int stream) {
    if (at.size() <= size_t(stream)) at.resize(stream + 1);
    return ++at[stream];
}

std::mutex& world() {
    static auto* it = new std::mutex;
    return *it;
}

namespace {

struct Stream {
    int device;
    int64_t id;
    Clock clock;
};

// A deque, for clocks keep their addresses.
std::deque<Stream>& streams() {
    static auto* all = new std::deque<Stream>;
    return *all;
}

}  // namespace

int stream_number(int device, int64_t id) {
    auto& all = streams();
    for (size_t i = 0; i < all.size(); i++) {
        if (all[i].device == device && all[i].id == id) return int(i);
    }
    all.push_back({device, id, {}});
    return int(all.size()) - 1;
}

Clock& clock_of(int stream) { return streams()[stream].clock; }

Clock& host_clock() {
    static auto* it = new Clock;
    return *it;
}

Clock clock_of_device(int device) {
    Clock all;
    for (auto& stream : streams()) {
        if (stream.device == device) all.join(stream.clock);
    }
    return all;
}

std::string stream_name(int stream) {
    auto& it = streams()[stream];
    return c10::str("stream ", it.id, " of cuda:", it.device);
}

int device_of_stream(int stream) { return streams()[stream].device; }
bool is_default_stream(int stream) { return streams()[stream].id == 0; }

int64_t& current_stream(int device) {
    static thread_local std::array<int64_t, MOST_DEVICES> current{};
    return current[device];
}

int64_t new_stream(bool from_pool) {
    // As in PyTorch the streams of the pool are handed out in turn, so that the 33rd is the
    // first again.
    static std::atomic<int64_t> pool{0}, others{33};
    return from_pool ? pool++ % 32 + 1 : others++;
}

double now_ms() {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace pretend
