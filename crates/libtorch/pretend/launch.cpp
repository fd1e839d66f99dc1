#include "launch.h"

#include "counts.h"
#include "late.h"
#include "tape.h"

#include <unordered_set>

namespace pretend {

namespace {

bool races_checked() {
    static const bool checked = setting("RACES", 1) != 0;
    return checked;
}

std::string sentence(const Launch& now, bool writes, const Access& access) {
    std::string text = c10::str("pretend: race: ", now.by, " on ", stream_name(now.stream));
    text += writes ? " overwrites memory that " : " reads memory that ";
    text += c10::str(access.by, " on ", stream_name(access.stream));
    text += access.range.writes ? " writes" : " reads";
    if (access.freed) return text + ", of a tensor that was freed without record_stream";
    return text + "; nothing makes the one wait for the other";
}

// `world` is locked.
void check_range(const Launch& now, const Range& range, bool recorded) {
    uintptr_t start = 0;
    Block* block = block_at(range.from, &start);
    TORCH_CHECK(block, "pretend: ", now.by, " uses device memory that is not allocated");
    Clock& known = clock_of(now.stream);
    for (auto& access : block->accesses) {
        bool matters = range.writes || access.range.writes;
        if (!matters || !access.range.meets(range.from, range.to)) continue;
        if (known.covers(access.stream, access.time)) continue;
        std::string text = sentence(now, range.writes, access);
        count_race(text);
        if (races_checked()) TORCH_CHECK(false, text);
    }
    // What this operation comes after, and covers, need not be remembered.
    if (!recorded) std::erase_if(block->accesses, [&](const Access& access) {
        bool covered = range.from <= access.range.from && access.range.to <= range.to;
        bool replaced = covered && (range.writes || !access.range.writes);
        return replaced && known.covers(access.stream, access.time);
    });
    block->accesses.push_back({range, now.stream, now.time, now.by, false, recorded});
}

void check_ranges(const Launch& now, const std::vector<Range>& ranges) {
    Tape* tape = captured_by(now.stream);
    for (auto& range : ranges) {
        check_range(now, range, tape != nullptr);
        if (tape) tape->ranges.push_back(range);
    }
}

}  // namespace

Launch launch_on(int stream, const char* by, const std::vector<Range>& ranges) {
    Launch now{device_of_stream(stream), stream, 0, by};
    std::vector<std::shared_ptr<Late>> needed;
    {
        std::lock_guard<std::mutex> lock(world());
        Tape* tape = current_tape();
        bool lost = tape && tape->device == now.device && is_default_stream(stream);
        if (lost) tape->spoiled = true;
        TORCH_CHECK(!lost, "pretend: ", by, " runs on the default stream while ",
                    stream_name(tape->origin), " is recorded, so it would not be recorded");
        Clock& clock = clock_of(stream);
        clock.join(host_clock());
        now.time = clock.tick(stream);
        check_ranges(now, ranges);
        needed = late_on(ranges);
    }
    for (auto& late : needed) late->finish();
    return now;
}

Launch launch(const char* by, int device, const std::vector<Range>& ranges) {
    return launch_on(current_stream_number(device), by, ranges);
}

void launch_more(const Launch& launch, const std::vector<Range>& ranges) {
    std::lock_guard<std::mutex> lock(world());
    check_ranges(launch, ranges);
}

void wait_for_stream(int stream, int other) {
    std::lock_guard<std::mutex> lock(world());
    clock_of(stream).join(clock_of(other));
}

int current_stream_number(int device) {
    std::lock_guard<std::mutex> lock(world());
    return stream_number(device, current_stream(device));
}

std::vector<Range> ranges_of(const at::Tensor& tensor, bool writes) {
    if (!tensor.defined() || tensor.numel() == 0) return {};
    int64_t last = 0;
    for (int64_t i = 0; i < tensor.dim(); i++) last += (tensor.size(i) - 1) * tensor.stride(i);
    auto size = tensor.element_size();
    auto from = reinterpret_cast<uintptr_t>(tensor.storage().data());
    from += tensor.storage_offset() * size;
    return {{from, from + (last + 1) * size, writes}};
}

const char* kept_text(const std::string& text) {
    static std::mutex mutex;
    static auto* all = new std::unordered_set<std::string>;
    std::lock_guard<std::mutex> lock(mutex);
    return all->insert(text).first->c_str();
}

}  // namespace pretend
