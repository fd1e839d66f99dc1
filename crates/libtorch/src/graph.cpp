// Work on a GPU that is recorded once and launched as a whole from then on (a CUDA graph).

#include "guarded.h"

#include <ATen/core/Tensor.h>
#include <memory>
#include <optional>

#ifdef RES2LAB_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace {

struct Graph {
#ifdef RES2LAB_CUDA
    at::cuda::CUDAGraph graph;
    // The default stream cannot be recorded.
    c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();
    std::optional<c10::cuda::CUDAStreamGuard> guard;

    static void wait(c10::cuda::CUDAStream who, c10::cuda::CUDAStream for_whom) {
        at::cuda::CUDAEvent event;
        event.record(for_whom);
        event.block(who);
    }

    void enter() {
        wait(stream, c10::cuda::getCurrentCUDAStream());
        guard.emplace(stream);
    }

    void leave() {
        guard.reset();
        wait(c10::cuda::getCurrentCUDAStream(), stream);
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
        if (record) c10::cuda::CUDACachingAllocator::emptyCache();
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
