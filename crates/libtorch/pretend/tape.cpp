#include "tape.h"

#include "counts.h"

namespace pretend {

namespace {

std::atomic<Tape*> open_tape{nullptr};

}  // namespace

void set_tape(Tape* tape) { open_tape = tape; }

bool recording() { return open_tape != nullptr; }

Tape* current_tape() { return open_tape; }

void forbid_in_capture(const std::string& what) {
    Tape* tape = open_tape;
    if (!tape) return;
    tape->spoiled = true;
    TORCH_CHECK(false, "CUDA error: operation not permitted when stream is capturing (pretend: ",
                what, ")");
}

Tape* captured_by(int stream) {
    Tape* tape = open_tape;
    return tape && tape->streams.count(stream) ? tape : nullptr;
}

Tape* tape_of(int device) {
    if (!recording()) return nullptr;
    std::lock_guard<std::mutex> lock(world());
    return captured_by(stream_number(device, current_stream(device)));
}

void capture_follows(int stream, const Event& event) {
    Tape* tape = open_tape;
    if (!tape) return;
    if (!event.in_capture) {
        if (!captured_by(stream)) return;
        tape->spoiled = true;
        TORCH_CHECK(false, "CUDA error: dependency created on uncaptured work in another stream ",
                    "(pretend: ", stream_name(stream), ")");
    }
    if (is_default_stream(stream)) {
        tape->spoiled = true;
        TORCH_CHECK(false, "CUDA error: operation would make the legacy stream depend on a ",
                    "capturing blocking stream (pretend)");
    }
    tape->streams.insert(stream);
}

void Tape::keep(const void* pointer) {
    std::lock_guard<std::mutex> lock(world());
    uintptr_t start = 0;
    Block* block = block_at(reinterpret_cast<uintptr_t>(pointer), &start);
    // The pool's own memory holds nothing before the first replay.
    if (!block || block->pool == &pool) return;
    auto [it, is_new] = before.try_emplace(start);
    if (!is_new) return;
    auto* data = static_cast<char*>(opened(reinterpret_cast<void*>(start)));
    it->second.assign(data, data + block->size);
}

void Tape::put_back() {
    std::lock_guard<std::mutex> lock(world());
    for (auto& [at, bytes] : before) {
        uintptr_t start = 0;
        Block* block = block_at(at, &start);
        bool is_there = block && start == at && block->size == bytes.size();
        if (!is_there || block->pool == &pool) continue;
        memcpy(opened(reinterpret_cast<void*>(at)), bytes.data(), bytes.size());
    }
    before.clear();
    for (auto& [at, size] : pool.all) memset(opened(reinterpret_cast<void*>(at)), 0xff, size);
}

void Tape::add(std::function<void()> work) {
    std::lock_guard<std::mutex> lock(world());
    works.push_back(std::move(work));
}

}  // namespace pretend
