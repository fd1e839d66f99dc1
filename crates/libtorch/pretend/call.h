// The tensors of one call of an operator. For each tensor of a device a CPU tensor is made over
// the same memory, so that the CPU's kernel works on it.

#pragma once

#include "launch.h"

namespace pretend {

// Below autograd and autocast, and not seen by either.
struct Below {
    at::AutoDispatchBelowADInplaceOrView no_autograd;
    c10::impl::ExcludeDispatchKeyGuard no_autocast;
    Below();
};

// A CPU tensor over the memory of a device tensor, with its sizes and strides.
at::Tensor over(const at::Tensor& device);

class Call {
   public:
    struct Pair {
        at::Tensor device;
        at::Tensor host;
        // Of the host tensor's storage, before the operator ran.
        void* data;
        bool writes;
    };

    // The tensor to give to the CPU's kernel.
    at::Tensor argument(const at::Tensor& tensor, bool writes);
    // Follows `out` tensors that the kernel made larger or laid out anew.
    void follow_resized();
    // A result of the kernel as a tensor of the device.
    at::Tensor result(const at::Tensor& tensor);

    std::vector<Range> ranges() const;

    // The device of the tensors, or -1.
    int device = -1;
    // Tensors of the host among the arguments.
    std::vector<at::Tensor> on_host;
    int64_t bytes = 0;
    // Results that are neither an argument nor a view of one, and whether there are views.
    std::vector<at::Tensor> fresh;
    bool has_views = false;

   private:
    std::vector<Pair> pairs;
    at::Tensor alias(const at::Tensor& tensor, bool writes);
};

}  // namespace pretend
