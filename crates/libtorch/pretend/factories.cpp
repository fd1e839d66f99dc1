// New tensors of a device, and changes of a tensor's storage.

#include "call.h"
#include "devices.h"

#include <ATen/EmptyTensor.h>
#include <c10/util/strides.h>

namespace pretend {

namespace {

using Dtype = std::optional<at::ScalarType>;
using Layout = std::optional<at::Layout>;
using Device = std::optional<at::Device>;
using Pin = std::optional<bool>;
using Format = std::optional<at::MemoryFormat>;

const auto CUDA = c10::DispatchKeySet(c10::DispatchKey::CUDA);

c10::Device chosen(const Device& device) {
    int index = device ? index_of(*device) : current_device();
    check_device(index);
    return device_of(index);
}

at::Tensor empty(at::IntArrayRef size, Dtype dtype, Layout, Device device, Pin pin, Format format) {
    TORCH_CHECK(!pin.value_or(false), "Only dense CPU tensors can be pinned");
    c10::DeviceGuard guard(chosen(device));
    auto type = c10::dtype_or_default(dtype);
    return at::detail::empty_generic(size, &device_allocator(), CUDA, type, format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, Dtype dtype, Layout,
                         Device device, Pin pin) {
    TORCH_CHECK(!pin.value_or(false), "Only dense CPU tensors can be pinned");
    c10::DeviceGuard guard(chosen(device));
    auto type = c10::dtype_or_default(dtype);
    return at::detail::empty_strided_generic(size, stride, &device_allocator(), CUDA, type);
}

void enlarge(const at::Tensor& self, size_t needed) {
    auto* storage = self.storage().unsafeGetStorageImpl();
    if (needed <= storage->nbytes()) return;
    c10::DeviceGuard guard(self.device());
    auto data = device_allocator().allocate(needed);
    if (storage->nbytes()) {
        memcpy(opened(data.get()), opened(storage->data()), storage->nbytes());
    }
    storage->set_data_ptr_noswap(std::move(data));
    storage->set_nbytes(needed);
}

const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size, Format format) {
    auto* impl = self.unsafeGetTensorImpl();
    impl->set_sizes_contiguous(size);
    if (format && *format != at::MemoryFormat::Preserve) impl->empty_tensor_restride(*format);
    enlarge(self, at::detail::computeStorageNbytes(self.sizes(), self.strides(),
                                                   self.element_size(), self.storage_offset()));
    return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, int64_t offset, at::IntArrayRef size,
                        at::IntArrayRef stride) {
    auto* impl = self.unsafeGetTensorImpl();
    impl->set_storage_keep_dtype(std::move(source));
    auto contiguous = c10::contiguous_strides(size);
    impl->set_sizes_and_strides(size, stride.data() ? stride : at::IntArrayRef(contiguous), offset);
    return self;
}

void record_tensor(at::Tensor& self, at::Stream stream) {
    device_allocator().recordStream(self.storage().data_ptr(), stream);
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
    m.impl("empty.memory_format", &empty);
    m.impl("empty_strided", &empty_strided);
    m.impl("resize_", &resize_);
    m.impl("set_.source_Storage_storage_offset", &set_storage);
    m.impl("record_stream", &record_tensor);
}

}  // namespace

}  // namespace pretend
