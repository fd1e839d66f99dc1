// How the processes of a trial meet, over libtorch's c10d, and what they sum. Each function returns
// nullptr, or a message that the caller frees.

#include "group.h"
#include "guarded.h"
#include "stand_in.h"
#include "streams.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef RES2LAB_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;
using Milliseconds = std::chrono::milliseconds;

Store meet(const char* host, uint16_t port, int rank, int size, Milliseconds timeout) {
    // torchrun's own process has opened the port already.
    const char* agent = getenv("TORCHELASTIC_USE_AGENT_STORE");
    bool is_open = agent && !strcmp(agent, "True");
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = rank == 0 && !is_open;
    options.numWorkers = size;
    options.timeout = timeout;
    const char* opened = getenv("RES2LAB_OPEN_PORT");
    if (opened && rank == 0) options.masterListenFd = atoi(opened);
    return c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
}

c10::intrusive_ptr<c10d::Backend> new_gloo(const char* host, const Store& store, int rank,
                                           int size, Milliseconds timeout) {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    bool is_here = !strcmp(host, "127.0.0.1") || !strcmp(host, "localhost");
    // On one machine nothing but loopback is needed, and a host's own name does not always resolve.
    options->devices.push_back(
        is_here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                : c10d::ProcessGroupGloo::createDefaultDevice());
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>("cpu", store);
    return c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed, rank, size, options);
}

c10::intrusive_ptr<c10d::Backend> new_nccl(const Store& store, int rank, int size,
                                           Milliseconds timeout) {
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>("gpu", store);
    using Make = c10d::Backend* (*)(const Store&, int, int, Milliseconds);
    if (auto make = stand_in<Make>("res2lab_pretend_backend")) {
        return c10::intrusive_ptr<c10d::Backend>::reclaim(make(prefixed, rank, size, timeout));
    }
#ifdef RES2LAB_CUDA
    // A process whose watchdog waits long is not dead, and nobody reads the dumps.
    setenv("TORCH_NCCL_ENABLE_MONITORING", "0", /*overwrite=*/0);
    setenv("TORCH_NCCL_DUMP_ON_TIMEOUT", "0", /*overwrite=*/0);
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(prefixed, rank, size, options);
#else
    TORCH_CHECK(false, "this build has no NCCL: set up libtorch on a machine with a GPU");
#endif
}

}  // namespace

extern "C" {

// Meets the other processes at host:port, which rank 0 opens. With a GPU (`device` is not negative)
// its tensors can be summed too.
char* res2lab_group_new(const char* host, uint16_t port, int rank, int size, int64_t timeout_s,
                        int device, Group** out) {
    return guarded([&] {
        Milliseconds timeout(timeout_s * 1000);
        auto group = std::make_unique<Group>();
        group->size = size;
        group->store = meet(host, port, rank, size, timeout);
        group->cpu = new_gloo(host, group->store, rank, size, timeout);
        if (device >= 0) {
            group->gpu = new_nccl(group->store, rank, size, timeout);
            // NCCL connects in its first operation. Here a failure is told before data is read, and
            // no step has to wait.
            auto one = at::ones({1}, at::TensorOptions(at::Device(at::kCUDA, device)));
            group->sum_later(one)->wait();
            TORCH_CHECK(one.item<float>() == size, "NCCL summed ", size, " ones to ",
                        one.item<float>());
        }
        *out = group.release();
    });
}

void res2lab_group_free(Group* group) {
    // Without it NCCL warns. It does not wait for the device, which might wait for a process that
    // ended; a trial that succeeds has read its last results by now.
    if (group->gpu) free(guarded([&] { group->gpu->shutdown(); }));
    delete group;
}

// Replaces `tensor` by its sum over all processes.
char* res2lab_group_sum(Group* group, const at::Tensor* tensor) {
    return guarded([&] { group->sum_later(*tensor)->wait(); });
}

// Replaces `tensor` by that of rank 0.
char* res2lab_group_copy_first(Group* group, const at::Tensor* tensor) {
    return guarded([&] {
        std::vector<at::Tensor> list{*tensor};
        group->of(*tensor)->broadcast(list)->wait();
    });
}
}
