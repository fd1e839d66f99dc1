#include "call.h"

#include "tape.h"

#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CPUAllocator.h>

namespace pretend {

Below::Below() : no_autocast(at::autocast_dispatch_keyset) {}

namespace {

at::Tensor with_layout_of(const at::Tensor& t, c10::Storage storage) {
    auto keys = c10::DispatchKeySet(c10::DispatchKey::CPU);
    auto made = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), keys, t.dtype());
    auto* impl = made.unsafeGetTensorImpl();
    impl->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
    if (t.is_conj()) impl->_set_conj(true);
    return made;
}

c10::Storage storage_over(const at::Tensor& t) {
    auto data = c10::DataPtr(opened(t.storage().data()), c10::kCPU);
    auto by_size = c10::Storage::use_byte_size_t();
    size_t size = t.storage().nbytes();
    // Resizable, for kernels that make an `out` tensor larger.
    return c10::Storage(by_size, size, std::move(data), c10::GetCPUAllocator(), true);
}

}  // namespace

at::Tensor over(const at::Tensor& device) {
    return with_layout_of(device, storage_over(device));
}

at::Tensor Call::alias(const at::Tensor& tensor, bool writes) {
    c10::Storage storage;
    for (auto& pair : pairs) {
        if (pair.device.is_same(tensor)) {
            pair.writes |= writes;
            return pair.host;
        }
        if (pair.device.storage().is_alias_of(tensor.storage())) storage = pair.host.storage();
    }
    if (!storage) storage = storage_over(tensor);
    auto host = with_layout_of(tensor, std::move(storage));
    pairs.push_back({tensor, host, opened(tensor.storage().data()), writes});
    return host;
}

at::Tensor Call::argument(const at::Tensor& tensor, bool writes) {
    if (!tensor.defined()) return tensor;
    bytes += tensor.numel() * int64_t(tensor.element_size());
    if (!tensor.is_cuda()) {
        TORCH_CHECK(tensor.is_cpu(), "pretend: a tensor of ", tensor.device());
        on_host.push_back(tensor);
        return tensor;
    }
    TORCH_CHECK(device < 0 || device == tensor.get_device(),
                "Expected all tensors to be on the same device, but found at least two devices, ",
                "cuda:", device, " and cuda:", int(tensor.get_device()), "! (pretend)");
    device = tensor.get_device();
    return alias(tensor, writes);
}

std::vector<Range> Call::ranges() const {
    std::vector<Range> all;
    for (auto& pair : pairs) {
        for (auto& range : ranges_of(pair.device, pair.writes)) all.push_back(range);
    }
    return all;
}

void Call::follow_resized() {
    for (auto& pair : pairs) {
        auto& [device, host, data, writes] = pair;
        bool moved = host.storage().data() != data;
        bool same = host.sizes() == device.sizes() && host.strides() == device.strides();
        if (!moved && same) continue;
        device.resize_(host.sizes());
        auto* impl = device.unsafeGetTensorImpl();
        impl->set_sizes_and_strides(host.sizes(), host.strides());
        if (moved) over(device).copy_(host);
    }
}

at::Tensor Call::result(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    for (auto& pair : pairs) {
        if (pair.host.is_same(tensor)) return pair.device;
    }
    for (auto& pair : pairs) {
        auto storage = pair.device.storage();
        bool aliased = pair.host.storage().is_alias_of(tensor.storage());
        if (!aliased || !tensor.storage().nbytes()) continue;
        auto keys = pair.device.key_set();
        auto view = at::detail::make_tensor<c10::TensorImpl>(
            c10::TensorImpl::VIEW, std::move(storage), keys, tensor.dtype());
        auto* impl = view.unsafeGetTensorImpl();
        impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
        has_views = true;
        return view;
    }
    for (auto& own : on_host) {
        if (own.is_same(tensor)) return tensor;
    }
    auto options = tensor.options().device(device_of(device));
    auto made = at::empty_strided(tensor.sizes(), tensor.strides(), options);
    over(made).copy_(tensor);
    bytes += tensor.numel() * int64_t(tensor.element_size());
    fresh.push_back(made);
    return made;
}

}  // namespace pretend
