// The stand-in for NCCL, between two processes.

#include "planted.h"

#include "../src/recording.h"
#include "gloo_declarations.h"

#include <ATen/DeviceAccelerator.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include <dlfcn.h>
#include <unistd.h>

#include <iostream>
#include <thread>

namespace {

using Group = c10::intrusive_ptr<c10d::Backend>;

Group join(const std::string& path, int rank) {
    using Store = c10::intrusive_ptr<c10d::Store>;
    using Make = c10d::Backend* (*)(const Store&, int, int, std::chrono::milliseconds);
    auto make = reinterpret_cast<Make>(dlsym(RTLD_DEFAULT, "res2lab_pretend_backend"));
    Store store = c10::make_intrusive<c10d::FileStore>(path, 2);
    return Group::reclaim(make(store, rank, 2, std::chrono::seconds(60)));
}

void sums(Group& group, int rank) {
    auto data = at::full({1000}, rank + 1.0, cuda());
    std::vector<at::Tensor> list{data};
    auto work = group->allreduce(list);
    refused("a sum is read before work->wait()", "pretend: race", [&] { data + 1; });
    check(!work->isCompleted(), "a collective is not over when it is queued");
    bool is_over = false;
    for (int i = 0; i < 100 && !is_over; i++) is_over = work->isCompleted();
    check(is_over, "it is when somebody asks often enough");
    list = {data = at::full({1000}, rank + 1.0, cuda())};
    work = group->allreduce(list);
    forbid_syncs(true);
    allowed("work->wait() does not stop the host", [&] { work->wait(); });
    forbid_syncs(false);
    check(close(data, at::full({1000}, 3.0)), "allreduce");

    auto half = at::full({10}, rank + 1.0, cuda()).to(at::kBFloat16);
    list = {half};
    group->allreduce(list)->wait();
    check(close(half.to(at::kFloat), at::full({10}, 3.0)), "allreduce of bfloat16");

    auto first = at::full({5}, rank + 1.0, cuda());
    list = {first};
    group->broadcast(list)->wait();
    check(close(first, at::ones({5})), "broadcast");
}

void gathers(Group& group, int rank) {
    auto own = at::full({3}, rank + 1.0, cuda());
    std::vector<std::vector<at::Tensor>> out{{at::empty_like(own), at::empty_like(own)}};
    std::vector<at::Tensor> in{own};
    group->allgather(out, in)->wait();
    auto right = at::tensor({1.f, 1.f, 1.f, 2.f, 2.f, 2.f});
    check(close(at::cat(out[0]), right), "allgather");
    auto all = at::empty({6}, cuda());
    group->_allgather_base(all, own)->wait();
    check(close(all, right), "_allgather_base");

    // The memory of what is summed is not another tensor's before the sum is over.
    auto future = [&] {
        auto lost = at::full({100}, 1.0, cuda());
        std::vector<at::Tensor> list{lost};
        return group->allreduce(list);
    }();
    at::zeros({100}, cuda());
    future->wait();
}

// A sum within a graph.
void recorded(Group& group, int rank) {
    using Make = Recording* (*)();
    auto make = reinterpret_cast<Make>(dlsym(RTLD_DEFAULT, "res2lab_pretend_graph"));
    std::unique_ptr<Recording> graph(make());
    auto data = at::full({10}, rank + 1.0, cuda());
    Stream side;
    side.wait_for_default();
    side.run([&] {
        graph->begin();
        std::vector<at::Tensor> list{data};
        group->allreduce(list)->wait();
        graph->end();
    });
    side.default_waits();
    check(close(data, at::full({10}, rank + 1.0)), "allreduce is recorded, and does not run");
    graph->replay();
    graph->replay();
    check(close(data, at::full({10}, 6.0)), "and runs at each replay");
}

}  // namespace

// group PATH RANK: prints the lines of its checks.
int planted_rank(int argc, char** argv) {
    int rank = atoi(argv[3]);
    auto group = join(argv[2], rank);
    try {
        sums(group, rank);
        gathers(group, rank);
        recorded(group, rank);
    } catch (const std::exception& error) {
        std::cout << "FAILED  " << error.what() << std::endl;
        return 1;
    }
    at::accelerator::synchronizeDevice(0);
    return 0;
}

void planted_group() {
    auto both = [](const char* first, const char* second) {
        char path[] = "/tmp/pretend-store-XXXXXX";
        close(mkstemp(path));
        remove(path);
        auto command = std::string("group ") + path;
        std::pair<int, std::string> other;
        std::thread thread([&] { other = again(second, command + " 1"); });
        auto own = again(first, command + " 0");
        thread.join();
        remove(path);
        return own.second + other.second;
    };
    auto text = both("CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=1");
    std::stringstream lines(text);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        bool is_check = line.rfind("ok  ", 0) == 0 || line.rfind("FAILED", 0) == 0;
        if (is_check) check(line[0] == 'o', "two processes: " + line.substr(8));
        count += is_check;
    }
    auto last_line = text.substr(text.rfind('\n', text.size() - 2) + 1);
    check(count == 22, "both processes came to their end", last_line);
    text = both("CUDA_VISIBLE_DEVICES=1", "CUDA_VISIBLE_DEVICES=1");
    check(text.find("Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1") !=
              std::string::npos,
          "refused: two processes on one device");
    text = both("CUDA_VISIBLE_DEVICES=MIG-pretend-0", "CUDA_VISIBLE_DEVICES=MIG-pretend-1");
    check(text.find("MIG instances cannot") != std::string::npos,
          "refused: a group of MIG instances");
}
