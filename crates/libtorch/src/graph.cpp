// Work on a GPU that is recorded once and launched as a whole from then on (a CUDA graph).

#include "guarded.h"
#include "recording.h"
#include "stand_in.h"
#include "streams.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/StreamGuard.h>
#include <memory>
#include <optional>

#ifdef RES2LAB_CUDA
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace {

#ifdef RES2LAB_CUDA
struct CudaRecording : Recording {
    at::cuda::CUDAGraph graph;

    // Threads of NCCL ask the device meanwhile, which only this mode allows.
    void begin() override {
        graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    }
    void end() override { graph.capture_end(); }
    void replay() override { graph.replay(); }
};
#endif

std::unique_ptr<Recording> new_recording() {
    if (auto make = stand_in<Recording* (*)()>("res2lab_pretend_graph")) {
        return std::unique_ptr<Recording>(make());
    }
#ifdef RES2LAB_CUDA
    return std::make_unique<CudaRecording>();
#else
    TORCH_CHECK(false, "this build has no CUDA: set up libtorch on a machine with a GPU");
#endif
}

struct Graph {
    std::unique_ptr<Recording> recording = new_recording();
    // The default stream cannot be recorded.
    c10::Stream stream = side_stream();
    std::optional<c10::StreamGuard> guard;

    void enter(bool record) {
        wait(stream, current_stream());
        guard.emplace(stream);
        if (record) begin();
    }

    void begin() {
        // The allocator frees no cached memory while it records, and the recording needs all of its
        // memory anew: what the steps before it left must be free.
        gpu().synchronizeDevice(gpu().getDevice().index());
        at::accelerator::emptyCache();
        recording->begin();
    }

    void leave(bool record) {
        if (record) recording->end();
        guard.reset();
        wait(current_stream(), stream);
    }

    // After a failure between the two: neither the stream nor the allocator may stay as they are.
    void abandon(bool record) {
        try {
            if (record) recording->end();
        } catch (const std::exception&) {
            // A recording that failed cannot be ended properly; the failure itself is told.
        }
        guard.reset();
    }
};

}  // namespace

extern "C" {

char* res2lab_graph_new(Graph** out) {
    return guarded([&] { *out = std::make_unique<Graph>().release(); });
}

void res2lab_graph_free(Graph* graph) { delete graph; }

// What follows goes to the stream that is recorded later.
char* res2lab_graph_enter(Graph* graph, bool record) {
    return guarded([&] {
        try {
            graph->enter(record);
        } catch (const std::exception&) {
            graph->abandon(false);
            throw;
        }
    });
}

// The opposite.
char* res2lab_graph_leave(Graph* graph, bool record) {
    return guarded([&] { graph->leave(record); });
}

// The opposite, after the work in between failed.
void res2lab_graph_abandon(Graph* graph, bool record) { graph->abandon(record); }

// Does what was recorded, on the memory it was recorded with.
char* res2lab_graph_replay(Graph* graph) {
    return guarded([&] { graph->recording->replay(); });
}
}
