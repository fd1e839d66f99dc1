// Work on a GPU that is recorded once and launched as a whole from then on (a CUDA graph).

#include "guarded.h"

#include <ATen/core/Tensor.h>
#include <memory>
#include <optional>

#ifdef RES2LAB_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#endif

namespace {

struct Graph {
#ifdef RES2LAB_CUDA
    // c10's own words for streams, so that nothing but libtorch_cuda has to be linked.
    c10::impl::VirtualGuardImpl gpu{c10::DeviceType::CUDA};
    at::cuda::CUDAGraph graph;
    // The default stream cannot be recorded.
    c10::Stream stream = gpu.getStreamFromGlobalPool(gpu.getDevice());
    std::optional<c10::StreamGuard> guard;

    c10::Stream current() const { return gpu.getStream(gpu.getDevice()); }

    static void wait(c10::Stream who, c10::Stream for_whom) {
        c10::Event event(c10::DeviceType::CUDA);
        event.record(for_whom);
        event.block(who);
    }

    void enter() {
        wait(stream, current());
        guard.emplace(stream);
    }

    void leave() {
        guard.reset();
        wait(current(), stream);
    }
#endif
};

}  // namespace

extern "C" {

char* res2lab_graph_new(Graph** out) {
    return guarded([&] {
#ifdef RES2LAB_CUDA
        *out = std::make_unique<Graph>().release();
#else
        (void)out;
        TORCH_CHECK(false, "this build has no CUDA: set up libtorch on a machine with a GPU");
#endif
    });
}

void res2lab_graph_free(Graph* graph) { delete graph; }

// What follows goes to the stream that is recorded later.
char* res2lab_graph_enter(Graph* graph, bool record) {
    return guarded([&] {
#ifdef RES2LAB_CUDA
        graph->enter();
        if (record) graph->graph.capture_begin();
#else
        (void)graph, (void)record;
#endif
    });
}

// The opposite.
char* res2lab_graph_leave(Graph* graph, bool record) {
    return guarded([&] {
#ifdef RES2LAB_CUDA
        if (record) graph->graph.capture_end();
        graph->leave();
#else
        (void)graph, (void)record;
#endif
    });
}

// Does what was recorded, on the memory it was recorded with.
char* res2lab_graph_replay(Graph* graph) {
    return guarded([&] {
#ifdef RES2LAB_CUDA
        graph->graph.replay();
#else
        (void)graph;
#endif
    });
}
}
