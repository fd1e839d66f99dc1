// What libtorch asks of a CUDA build.

#include "devices.h"
#include "late.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>

namespace at {

// By this very name libtorch looks for it, once, when somebody first asks for CUDA.
struct CUDAHooks final : CUDAHooksInterface {
    explicit CUDAHooks(CUDAHooksArgs) {}
    void init() const override {}
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return pretend::device_count() > 0; }
    bool hasCUDA() const override { return pretend::device_count() > 0; }
    bool hasCUDART() const override { return true; }
    bool hasPrimaryContext(DeviceIndex) const override { return true; }
    DeviceIndex deviceCount() const override { return DeviceIndex(pretend::device_count()); }
    int getNumGPUs() const override { return pretend::device_count(); }
    DeviceIndex current_device() const override {
        return DeviceIndex(pretend::current_device());
    }
    DeviceIndex getCurrentDevice() const override { return current_device(); }
    void setCurrentDevice(DeviceIndex device) const override { exchangeDevice(device); }
    DeviceIndex exchangeDevice(DeviceIndex device) const override {
        pretend::check_device(device);
        return DeviceIndex(std::exchange(pretend::current_device(), int(device)));
    }
    DeviceIndex maybeExchangeDevice(DeviceIndex device) const override {
        return exchangeDevice(device);
    }
    const Generator& getDefaultGenerator(DeviceIndex device) const override {
        return pretend::default_generator(device < 0 ? current_device() : device);
    }
    Generator getNewGenerator(DeviceIndex) const override {
        return at::detail::createCPUGenerator();
    }
    Device getDeviceFromPtr(void* pointer) const override {
        TORCH_CHECK(pretend::is_device_pointer(pointer), "pretend: not a pointer of a device");
        return pretend::device_of(pretend::device_of_pointer(pointer));
    }
    bool isPinnedPtr(const void* pointer) const override { return pretend::is_pinned(pointer); }
    Allocator* getPinnedMemoryAllocator() const override { return &pretend::pinned_allocator(); }
    Allocator* getCUDADeviceAllocator() const override { return &pretend::device_allocator(); }
    void deviceSynchronize(DeviceIndex device) const override {
        pretend::synchronize_device(device < 0 ? current_device() : device);
    }
    std::string showConfig() const override { return "pretend CUDA"; }
    long versionCUDART() const override { return 0; }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at
