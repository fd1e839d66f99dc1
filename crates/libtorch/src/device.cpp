// The GPU of this process: which one, how much of its memory, and how exact its float32 is.

#include "guarded.h"
#include "stand_in.h"
#include "streams.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Functions.h>
#ifdef RES2LAB_CUDA
#include <ATen/cuda/CUDAContext.h>
#endif
#include <c10/core/AllocatorConfig.h>
#include <c10/core/StreamGuard.h>

extern "C" {

// Work that names no device goes to this GPU from here on.
char* res2lab_set_device(int index) {
    return guarded([&] { gpu().setDevice(c10::Device(c10::kCUDA, index)); });
}

// The largest number of bytes that tensors took at one time, and that the allocator held.
char* res2lab_peak_memory(int index, int64_t* tensors, int64_t* held) {
    return guarded([&] {
        auto stats = at::accelerator::getDeviceStats(index);
        constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
        *tensors = stats.allocated_bytes[all].peak;
        *held = stats.reserved_bytes[all].peak;
    });
}

// The name of the card, which the caller frees; empty if nobody knows it.
char* res2lab_device_name(int index) {
    if (auto name = stand_in<const char* (*)(int)>("res2lab_pretend_device_name")) {
        return strdup(name(index));
    }
#ifdef RES2LAB_CUDA
    try {
        return strdup(at::cuda::getDeviceProperties(index)->name);
    } catch (const std::exception&) {
        // Fails where the device does; whoever uses the device is told why.
    }
#endif
    return strdup("");
}

// Waits until the GPU has done all of its work.
char* res2lab_synchronize(int index) {
    return guarded([&] { gpu().synchronizeDevice(index); });
}

// Whether products and convolutions in float32 may round their factors to TF32 (10 bits of
// mantissa), on GPUs that have it.
void res2lab_allow_tf32(bool allow) {
    at::globalContext().setAllowTF32CuDNN(allow);
    at::globalContext().setAllowTF32CuBLAS(allow);
}

// Lets the allocator of GPU memory grow its segments.
char* res2lab_expand_segments() {
    return guarded([] { c10::CachingAllocator::setAllocatorSettings("expandable_segments:True"); });
}

// A tensor of `n` bytes in page-locked memory, from which a GPU copies while the host goes on.
char* res2lab_pinned(int64_t n, at::Tensor** out) {
    return guarded([&] {
        auto options = at::TensorOptions(at::kByte).pinned_memory(true);
        *out = new at::Tensor(at::empty({n}, options));
    });
}

// Copies a tensor in page-locked memory to the GPU `index`, on a stream of its own: neither the host
// nor the work that the GPU has already waits. The host's memory may be dropped at once, but not
// written.
char* res2lab_upload(const at::Tensor* host, int index, at::Tensor** out) {
    return guarded([&] {
        TORCH_CHECK(host->is_pinned(), "a copy that nobody waits for needs page-locked memory");
        thread_local c10::Stream copies = side_stream();
        auto compute = current_stream();
        at::Tensor copy;
        {
            c10::StreamGuard guard(copies);
            auto options = host->options().device(c10::Device(c10::kCUDA, index));
            copy = host->to(options.pinned_memory(false), /*non_blocking=*/true);
        }
        wait(compute, copies);
        // The memory is the copying stream's, which must not reuse it while it is read here.
        copy.record_stream(compute);
        *out = new at::Tensor(copy);
    });
}
}
