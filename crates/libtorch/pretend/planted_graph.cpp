// What may be recorded as a graph, and what a recording leaves behind.

#include "planted.h"

#include "../src/recording.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include <dlfcn.h>

namespace {

const char* CAPTURE = "operation not permitted when stream is capturing";

std::unique_ptr<Recording> new_graph() {
    auto make = dlsym(RTLD_DEFAULT, "res2lab_pretend_graph");
    return std::unique_ptr<Recording>(reinterpret_cast<Recording* (*)()>(make)());
}

void record(const Stream& side, Recording& graph, const std::function<void()>& work) {
    side.wait_for_default();
    side.run([&] {
        graph.begin();
        try {
            work();
        } catch (const std::exception&) {
            try {
                graph.end();
            } catch (const std::exception&) {
                // The failure of `work` is told.
            }
            throw;
        }
        graph.end();
    });
    side.default_waits();
}

void not_recorded(const std::string& what, const char* text, const std::function<void()>& work) {
    refused(what + " while a graph is recorded", text, [&] {
        Stream side;
        auto graph = new_graph();
        record(side, *graph, work);
    });
}

void planted_rules() {
    auto a = at::ones({8}, cuda()), host = at::ones({8});
    auto pinned = host.pin_memory();
    Stream side;
    not_recorded("item()", CAPTURE, [&] { a.sum().item<float>(); });
    not_recorded("a copy to the host", CAPTURE, [&] { a.cpu(); });
    not_recorded("a copy of pageable memory", CAPTURE, [&] { a.copy_(host, true); });
    not_recorded("emptyCache", CAPTURE, [&] { at::accelerator::emptyCache(); });
    not_recorded("a wait for the device", CAPTURE, [&] { at::accelerator::synchronizeDevice(0); });
    not_recorded("work that nothing joins", "unjoined work", [&] {
        Stream inner;
        auto event = c10::Event(c10::DeviceType::CUDA);
        event.record(at::accelerator::getCurrentStream(0));
        event.block(inner.stream);
        inner.run([&] { a + 1; });
    });
    not_recorded("a generator of one's own", "generator not in capture mode", [&] {
        a.uniform_(0, 1, at::make_generator<at::CPUGeneratorImpl>());
    });
    not_recorded("an operator on the default stream", "would not be recorded", [&] {
        c10::StreamGuard guard(c10::Stream(c10::Stream::DEFAULT, cuda()));
        a + 1;
    });
    not_recorded("something after an error that was caught", "previous error during capture", [&] {
        try {
            a.sum().item<float>();
        } catch (const std::exception&) {
        }
    });
    refused("a recording of the default stream", "non-default stream",
            [&] { new_graph()->begin(); });
    refused("a replay before a recording", "without a preceding successful capture",
            [&] { new_graph()->replay(); });
    allowed("a copy of pinned memory is recorded", [&] {
        auto graph = new_graph();
        record(side, *graph, [&] { a.copy_(pinned, true); });
    });
}

void planted_replay() {
    Stream side;
    auto weight = at::ones({8}, cuda()), input = at::full({8}, 2.0, cuda());
    at::accelerator::synchronizeDevice(0);
    at::Tensor output;
    auto graph = new_graph();
    record(side, *graph, [&] {
        auto inner = input * 3;
        inner = inner + weight;
        output = inner * 1;
        weight.add_(1);
    });
    check(close(weight, at::ones({8})), "a recorded step leaves no trace");
    check(output.isnan().all().item<bool>(), "and has no result");
    graph->replay();
    check(close(output, at::full({8}, 7.0)), "replay has the result");
    check(close(weight, at::full({8}, 2.0)), "and changes what the step changes");
    input.fill_(10);
    graph->replay();
    check(close(output, at::full({8}, 32.0)), "again, with other numbers in the same memory");

    auto before = at::accelerator::getDeviceStats(0).allocated_bytes[0].current;
    auto other = at::zeros({8}, cuda());
    graph->replay();
    check(close(other, at::zeros({8})), "the memory of the graph is not used by others");
    graph.reset();
    auto after = at::accelerator::getDeviceStats(0).allocated_bytes[0].current;
    check(after <= before, "and is free when the graph is");

    Stream third;
    graph = new_graph();
    record(side, *graph, [&] { weight.add_(1); });
    at::accelerator::synchronizeDevice(0);
    refused("a replay beside what it writes", "pretend: race", [&] {
        third.run([&] { weight.add_(1); });
        graph->replay();
    });
    at::accelerator::synchronizeDevice(0);
}

void planted_random() {
    Stream side;
    auto noise = at::zeros({16}, cuda());
    auto graph = new_graph();
    record(side, *graph, [&] { noise.uniform_(); });
    at::manual_seed(5);
    graph->replay();
    auto first = noise.cpu();
    graph->replay();
    check(!at::equal(first, noise.cpu()), "a replay draws new random numbers");
    at::manual_seed(5);
    check(at::equal(first, at::zeros({16}, cuda()).uniform_().cpu()), "the seed's");
}

}  // namespace

void planted_graph() {
    planted_rules();
    planted_replay();
    planted_random();
}
