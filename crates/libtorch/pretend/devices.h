// Allocators, generators and marks that several parts need.

#pragma once

#include "settings.h"

#include <c10/core/CachingDeviceAllocator.h>

namespace pretend {

c10::DeviceAllocator& device_allocator();
c10::Allocator& pinned_allocator();
bool is_pinned(const void* pointer);
const at::Generator& default_generator(int device);

// Kernels that stand for those of CUDA run only within an operator of a device.
struct InKernel {
    InKernel();
    ~InKernel();
    static bool is_now();
};

}  // namespace pretend
