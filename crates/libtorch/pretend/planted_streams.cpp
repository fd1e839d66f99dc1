// Missing waits between streams, and copies that are not over.

#include "planted.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

namespace {

const char* RACE = "pretend: race";

void planted_waits() {
    auto a = at::ones({64}, cuda());
    Stream side;
    refused("another stream reads what nothing waited for", RACE,
            [&] { side.run([&] { a + 1; }); });
    side.wait_for_default();
    at::Tensor b;
    allowed("it waits, and reads", [&] { side.run([&] { b = a + 1; }); });
    refused("the default stream reads the side's result", RACE, [&] { b + 1; });
    refused("and overwrites what the side still reads", RACE, [&] { a.add_(1); });
    refused("the host copies it without a wait", RACE, [&] { b.cpu(); });
    side.default_waits();
    allowed("with a wait all three are right", [&] {
        a.add_(1);
        check(close(b, at::full({64}, 2.0)), "and have the right numbers");
    });

    auto c = at::zeros({64}, cuda());
    side.wait_for_default();
    c.add_(1);
    refused("a wait that came too early", RACE, [&] { side.run([&] { c + 1; }); });
    at::accelerator::synchronizeDevice(0);
    allowed("the host has waited for the device", [&] { side.run([&] { c + 1; }); });

    auto parts = at::zeros({128}, cuda());
    side.wait_for_default();
    allowed("two streams write two parts of one tensor", [&] {
        parts.narrow(0, 0, 64).add_(1);
        side.run([&] { parts.narrow(0, 64, 64).add_(1); });
    });
    refused("two streams write one part", RACE,
            [&] { side.run([&] { parts.narrow(0, 32, 64).add_(1); }); });
    side.default_waits();

    Stream other(1);
    auto on_first = at::ones({8}, cuda(0));
    allowed("a copy between devices waits by itself", [&] { on_first.to(cuda(1)).add_(1); });
    refused("a stream of another device does not wait", RACE, [&] {
        auto moved = on_first.to(cuda(1));
        other.run([&] { moved.add_(1); });
    });
}

void planted_freed() {
    auto use = [](bool record, bool wait) {
        Stream side;
        {
            auto a = at::ones({100}, cuda());
            side.wait_for_default();
            side.run([&] { a.sum(); });
            if (record) a.record_stream(side.stream);
        }
        if (wait) side.default_waits();
        // The memory of `a` goes to the next tensor of its size.
        at::zeros({100}, cuda());
        at::accelerator::synchronizeDevice(0);
    };
    refused("memory is used again that another stream still reads", "without record_stream",
            [&] { use(false, false); });
    at::accelerator::synchronizeDevice(0);
    allowed("with record_stream", [&] { use(true, false); });
    allowed("with a wait", [&] { use(false, true); });
}

void planted_events() {
    c10::Event event(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT);
    auto a = at::ones({4}, cuda());
    c10::Event end(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT);
    auto stream = at::accelerator::getCurrentStream(0);
    event.record(stream);
    a.add_(1);
    end.record(stream);
    check(!event.query(), "an event is not over when it is recorded");
    refused("the time between events that are not over", "must be completed",
            [&] { event.elapsedTime(end); });
    end.synchronize();
    allowed("the time between events that are", [&] { event.elapsedTime(end); });
    check(event.query(), "it is when the host has waited");
}

}  // namespace

void planted_streams() {
    planted_waits();
    planted_freed();
    planted_events();
}

void planted_copies() {
    auto pinned = at::rand({1000}).pin_memory();
    auto original = pinned.clone();
    check(pinned.is_pinned(), "pinned memory is pinned");
    auto floats = at::TensorOptions(at::kFloat).device(cuda());
    forbid_syncs(true);
    refused("item() where nothing may wait", "the host waits",
            [&] { at::ones({1}, cuda()).item<float>(); });
    refused("a blocking copy where nothing may wait", "the host waits",
            [&] { original.to(cuda()); });
    refused("a mask as index where nothing may wait", "the host waits", [&] {
        auto a = at::ones({3}, cuda());
        a.index({a > 0});
    });
    refused("an assignment by a mask where nothing may wait", "the host waits", [&] {
        auto a = at::ones({3}, cuda());
        a.index_put_({a > 0}, at::zeros({3}, cuda()));
    });
    refused("indices of the host where nothing may wait", "the host waits",
            [&] { at::ones({3}, cuda()).index({at::arange(2)}); });
    allowed("a copy of pinned memory that does not wait", [&] { pinned.to(floats, true); });
    forbid_syncs(false);
    at::accelerator::synchronizeDevice(0);

    refused("pinned memory is changed before its copy is over", RACE, [&] {
        auto copy = pinned.to(floats, true);
        pinned.add_(1);
        copy + 1;
    });
    at::accelerator::synchronizeDevice(0);
    refused("and before a kernel that needs it is over", RACE, [&] {
        pinned.copy_(original);
        auto copy = pinned.to(floats, true);
        auto sum = copy + 1;
        pinned.add_(1);
        pinned.to(floats, true);
    });
    at::accelerator::synchronizeDevice(0);
    allowed("pinned memory is changed after a wait", [&] {
        pinned.copy_(original);
        auto copy = pinned.to(floats, true);
        at::accelerator::synchronizeDevice(0);
        pinned.add_(1);
        check(close(copy, original), "and the copy has the old numbers");
    });

    auto result = at::empty({1000}, at::TensorOptions().pinned_memory(true));
    auto device = original.to(cuda());
    result.copy_(device, true);
    check(result.isnan().all().item<bool>(), "a copy to the host is not there before a wait");
    device.zero_();
    at::accelerator::synchronizeDevice(0);
    check(close(result, original), "after it is, as it was when it was queued");
    allowed("pinned memory is freed before its copy is over", [&] {
        auto copy = original.pin_memory().to(floats, true);
        check(close(copy, original), "and is copied all the same");
    });
}
