#include "devices.h"

#include "late.h"
#include "tape.h"

#include <ATen/CPUGeneratorImpl.h>

namespace pretend {

namespace {

struct DeviceMemory final : c10::DeviceAllocator {
    c10::DataPtr allocate(size_t n) override {
        void* pointer = take(current_device(), n);
        return {pointer, pointer, &give_back, device_of(current_device())};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
    void copy_data(void* to, const void* from, size_t n) const override {
        memcpy(opened(to), opened(from), n);
    }
    bool initialized() override { return true; }
    void emptyCache(c10::MempoolId_t) override {
        forbid_in_capture("emptyCache");
        empty_cache();
    }
    void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
        int number = 0;
        {
            std::lock_guard<std::mutex> lock(world());
            number = stream_number(stream.device_index(), stream.id());
        }
        record_stream(data.get(), number);
    }
    c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
        c10::CachingDeviceAllocator::DeviceStats stats;
        stats.allocated_bytes[0].current = int64_t(allocated_bytes(device));
        stats.allocated_bytes[0].peak = int64_t(peak_bytes(device));
        // Nothing is cached: what is allocated is what is reserved.
        stats.reserved_bytes = stats.allocated_bytes;
        return stats;
    }
    void resetAccumulatedStats(c10::DeviceIndex) override {}
    void resetPeakStats(c10::DeviceIndex device) override { reset_peak(device); }
    std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
        return {memory_limit() - allocated_bytes(device), memory_limit()};
    }
};

// Pinned memory is ordinary memory that is remembered.
struct PinnedMemory final : c10::Allocator {
    std::mutex mutex;
    std::map<uintptr_t, size_t> ranges;

    c10::DataPtr allocate(size_t n) override {
        size_t size = (n + 63) / 64 * 64 + 64;
        void* pointer = aligned_alloc(64, size);
        std::lock_guard<std::mutex> lock(mutex);
        ranges[reinterpret_cast<uintptr_t>(pointer)] = size;
        return {pointer, pointer, &release, c10::Device(c10::kCPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void* to, const void* from, size_t n) const override { memcpy(to, from, n); }

    static PinnedMemory& it() {
        static auto* it = new PinnedMemory;
        return *it;
    }
    static void release(void* pointer) {
        auto at = reinterpret_cast<uintptr_t>(pointer);
        size_t size = 0;
        {
            std::lock_guard<std::mutex> lock(it().mutex);
            size = it().ranges[at];
            it().ranges.erase(at);
        }
        // PyTorch's allocator keeps the memory until its copies are over.
        forget_pinned(at, at + size);
        ::free(pointer);
    }
    bool holds(const void* pointer) {
        auto at = reinterpret_cast<uintptr_t>(pointer);
        std::lock_guard<std::mutex> lock(mutex);
        auto next = ranges.upper_bound(at);
        if (next == ranges.begin()) return false;
        auto [start, size] = *std::prev(next);
        return at < start + size;
    }
};

thread_local int kernel_depth = 0;

}  // namespace

c10::DeviceAllocator& device_allocator() {
    static auto* it = new DeviceMemory;
    return *it;
}

c10::Allocator& pinned_allocator() { return PinnedMemory::it(); }
bool is_pinned(const void* pointer) { return PinnedMemory::it().holds(pointer); }

const at::Generator& default_generator(int device) {
    static auto* all = new std::array<at::Generator, MOST_DEVICES>;
    static std::mutex mutex;
    std::lock_guard<std::mutex> lock(mutex);
    auto& one = (*all)[device];
    if (!one.defined()) one = at::detail::createCPUGenerator();
    return one;
}

InKernel::InKernel() { kernel_depth++; }
InKernel::~InKernel() { kernel_depth--; }
bool InKernel::is_now() { return kernel_depth > 0; }

}  // namespace pretend
