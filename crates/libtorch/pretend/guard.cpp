// Devices, streams and events, as c10 asks for them.

#include "late.h"
#include "tape.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace pretend {

namespace {

int number_of(const c10::Stream& stream) {
    return stream_number(stream.device_index(), stream.id());
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
    using Device = c10::Device;
    using Stream = c10::Stream;

    static Stream stream(Device device, int64_t id) {
        return Stream(Stream::UNSAFE, device_of(index_of(device)), id);
    }
    static Event& event_at(void* event) { return *static_cast<Event*>(event); }

    c10::DeviceType type() const override { return c10::kCUDA; }
    Device exchangeDevice(Device device) const override {
        Device old = getDevice();
        setDevice(device);
        return old;
    }
    Device getDevice() const override { return device_of(current_device()); }
    void setDevice(Device device) const override {
        check_device(index_of(device));
        current_device() = index_of(device);
    }
    void uncheckedSetDevice(Device device) const noexcept override {
        current_device() = index_of(device);
    }
    c10::DeviceIndex deviceCount() const noexcept override {
        return c10::DeviceIndex(device_count());
    }

    Stream getStream(Device device) const override {
        return stream(device, current_stream(index_of(device)));
    }
    Stream getDefaultStream(Device device) const override { return stream(device, 0); }
    Stream getNewStream(Device device, int) const override {
        return stream(device, new_stream(false));
    }
    Stream getStreamFromGlobalPool(Device device, bool) const override {
        return stream(device, new_stream(true));
    }
    Stream exchangeStream(Stream next) const override {
        Stream old = getStream(next.device());
        current_stream(next.device_index()) = next.id();
        return old;
    }
    bool isStreamCapturing(const Stream& stream) const override {
        std::lock_guard<std::mutex> lock(world());
        return captured_by(number_of(stream));
    }
    bool queryStream(const Stream& stream) const override {
        static std::atomic<int> queries{0};
        Clock clock;
        {
            std::lock_guard<std::mutex> lock(world());
            clock = clock_of(number_of(stream));
            bool is_over = host_clock().covers(clock);
            if (is_over || queries++ % (UNANSWERED + 1) < UNANSWERED) return is_over;
        }
        settle(clock);
        return true;
    }
    void synchronizeStream(const Stream& stream) const override {
        Clock clock;
        {
            std::lock_guard<std::mutex> lock(world());
            clock = clock_of(number_of(stream));
        }
        host_waits(clock, "synchronizeStream");
    }
    void synchronizeDevice(c10::DeviceIndex device) const override {
        synchronize_device(device < 0 ? current_device() : device);
    }

    void record(void** event, const Stream& stream, c10::DeviceIndex,
                c10::EventFlag) const override {
        if (!*event) *event = new Event;
        auto& it = event_at(*event);
        std::lock_guard<std::mutex> lock(world());
        it.clock = clock_of(number_of(stream));
        it.clock.join(host_clock());
        it.when_ms = now_ms();
        it.queries = 0;
        it.in_capture = captured_by(number_of(stream));
    }
    void block(void* event, const Stream& stream) const override {
        if (!event) return;
        auto& it = event_at(event);
        std::lock_guard<std::mutex> lock(world());
        int number = number_of(stream);
        capture_follows(number, it);
        clock_of(number).join(it.clock);
    }
    bool queryEvent(void* event) const override {
        if (!event) return true;
        forbid_in_capture("queryEvent");
        auto& it = event_at(event);
        {
            std::lock_guard<std::mutex> lock(world());
            if (host_clock().covers(it.clock)) return true;
            if (it.queries++ < UNANSWERED) return false;
        }
        settle(it.clock);
        return true;
    }
    void synchronizeEvent(void* event) const override {
        if (event) host_waits(event_at(event).clock, "synchronizeEvent");
    }
    void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
        delete static_cast<Event*>(event);
    }
    double elapsedTime(void* from, void* to, c10::DeviceIndex) const override {
        return event_at(to).when_ms - event_at(from).when_ms;
    }
    void recordDataPtrOnStream(const c10::DataPtr& data, const Stream& stream) const override {
        int number = 0;
        {
            std::lock_guard<std::mutex> lock(world());
            number = number_of(stream);
        }
        record_stream(data.get(), number);
    }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

}  // namespace

}  // namespace pretend
