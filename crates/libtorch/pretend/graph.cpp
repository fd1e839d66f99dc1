// The stand-in for a CUDA graph.

#include "../src/recording.h"

#include "counts.h"
#include "devices.h"
#include "launch.h"
#include "settings.h"
#include "tape.h"

namespace pretend {

void set_tape(Tape* tape);

namespace {

struct Graph final : Recording {
    std::unique_ptr<Tape> tape;
    // Of the device's random numbers, which recording does not use up.
    at::Tensor random_state;
    bool is_complete = false;

    bool is_open() const { return tape && current_tape() == tape.get(); }

    ~Graph() override {
        if (is_open()) abandon();
        if (tape) dissolve(tape->pool);
    }

    void abandon() {
        set_tape(nullptr);
        tape->put_back();
        forget_recorded(tape->device);
        auto generator = default_generator(tape->device);
        std::lock_guard<std::mutex> lock(generator.mutex());
        generator.set_state(random_state);
    }

    void begin() override {
        TORCH_CHECK(!recording(), "CUDA error: a graph is being recorded already (pretend)");
        TORCH_CHECK(!setting("REFUSE_GRAPHS"), "CUDA error: operation not permitted (pretend, ",
                    "as RES2LAB_PRETEND_REFUSE_GRAPHS asks)");
        TORCH_CHECK(!tape, "This CUDAGraph instance already owns a captured graph. (pretend)");
        int device = current_device();
        int stream = current_stream_number(device);
        TORCH_CHECK(!is_default_stream(stream), "CUDA graphs must be captured on a non-default ",
                    "stream. (pretend)");
        tape = std::make_unique<Tape>();
        tape->device = tape->pool.device = device;
        tape->origin = stream;
        tape->streams.insert(stream);
        auto generator = default_generator(device);
        {
            std::lock_guard<std::mutex> lock(generator.mutex());
            random_state = generator.get_state();
        }
        set_tape(tape.get());
    }

    void end() override {
        TORCH_CHECK(is_open(), "pretend: end of a recording that was not begun");
        std::string unjoined = find_unjoined();
        bool spoiled = tape->spoiled;
        abandon();
        simplify();
        TORCH_CHECK(!spoiled, "CUDA error: operation failed due to a previous error during ",
                    "capture (pretend)");
        TORCH_CHECK(unjoined.empty(), "CUDA error: capturing stream has unjoined work (pretend: ",
                    unjoined, ")");
        is_complete = true;
    }

    // A stream whose work nothing on the recorded stream waits for.
    std::string find_unjoined() const {
        std::lock_guard<std::mutex> lock(world());
        Clock known = clock_of(tape->origin);
        for (int stream : tape->streams) {
            auto& own = clock_of(stream).at;
            bool is_there = size_t(stream) < own.size();
            if (is_there && !known.covers(stream, own[stream])) return stream_name(stream);
        }
        return "";
    }

    // Each range once.
    void simplify() {
        std::map<std::pair<uintptr_t, uintptr_t>, bool> once;
        for (auto& range : tape->ranges) once[{range.from, range.to}] |= range.writes;
        tape->ranges.clear();
        for (auto& [ends, writes] : once) {
            tape->ranges.push_back({ends.first, ends.second, writes});
        }
    }

    // Memory of the pool that no tensor holds now still is the graph's.
    std::vector<Range> present_ranges() const {
        std::lock_guard<std::mutex> lock(world());
        std::vector<Range> present;
        for (auto& range : tape->ranges) {
            uintptr_t start = 0;
            Block* block = block_at(range.from, &start);
            bool is_own = false;
            for (auto& [at, size] : tape->pool.all) is_own |= range.meets(at, at + size);
            TORCH_CHECK(block || is_own, "pretend: a graph is replayed on memory that was freed");
            if (block && range.to <= start + block->size) present.push_back(range);
        }
        return present;
    }

    void replay() override {
        TORCH_CHECK(is_complete, "Called CUDAGraph::replay without a preceding successful ",
                    "capture. (pretend)");
        forbid_in_capture("replay");
        launch("a graph", tape->device, present_ranges());
        InKernel in_kernel;
        for (auto& work : tape->works) work();
        count_replay();
    }
};

}  // namespace

}  // namespace pretend

extern "C" __attribute__((visibility("default"))) Recording* res2lab_pretend_graph() {
    return new pretend::Graph;
}
