// What libtorch has and tch does not bind. Each function returns nullptr, or a message that the caller frees.

#include "gradients.h"
#include "guarded.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/from_blob.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <torch/headeronly/version.h>
#include <cstring>
#include <exception>
#include <malloc.h>
#include <optional>
#include <string>
#include <vector>

extern "C" {

// Moves the gradients that autograd left at `leaves` to `views`, or adds them there.
char* res2lab_collect_gradients(const at::Tensor* const* leaves, const at::Tensor* const* views,
                                int64_t n, bool adds) {
    return guarded([&] {
        std::vector<at::Tensor> from, to;
        for (int64_t i = 0; i < n; i++) {
            from.push_back(*leaves[i]);
            to.push_back(*views[i]);
        }
        collect_gradients(from, to, adds);
    });
}

// Drops the gradients that autograd left at `leaves`.
void res2lab_discard_gradients(const at::Tensor* const* leaves, int64_t n) {
    for (int64_t i = 0; i < n; i++) leaves[i]->mutable_grad() = at::Tensor();
}

// One SGD step over flat buffers; see torch.optim.SGD for the arithmetic. With `found_inf` (nullable) the step is skipped
// where that is 1, without waiting for the device.
char* res2lab_fused_sgd(at::Tensor* values, at::Tensor* grads, at::Tensor* momentum_buffer, double lr, double momentum,
                        double weight_decay, bool nesterov, bool first, const at::Tensor* found_inf) {
    return guarded([&] {
        std::optional<at::Tensor> skip;
        if (found_inf) skip = *found_inf;
        // Without momentum there must be no buffer.
        std::vector<at::Tensor> buffers;
        if (momentum > 0.0) buffers.push_back(*momentum_buffer);
        at::_fused_sgd_({*values}, {*grads}, buffers, weight_decay, momentum, lr, /*dampening=*/0.0, nesterov,
                        /*maximize=*/false, /*is_first_step=*/first, /*grad_scale=*/std::nullopt, skip);
    });
}

// Multiplies gradients by `inverse_scale` and sets `found_inf` to 1 if one of them is not finite.
char* res2lab_unscale(at::Tensor* grads, at::Tensor* found_inf, const at::Tensor* inverse_scale) {
    return guarded([&] {
        std::vector<at::Tensor> list{*grads};
        at::_amp_foreach_non_finite_check_and_unscale_(list, *found_inf, *inverse_scale);
    });
}

// torch.amp.GradScaler's rule with its defaults.
char* res2lab_update_scale(at::Tensor* scale, at::Tensor* growth, const at::Tensor* found_inf) {
    return guarded([&] { at::_amp_update_scale_(*scale, *growth, *found_inf, 2.0, 0.5, 2000); });
}

// A float32 tensor of `n` values over memory of the caller, who gets `context` back through `give_back` when the last view
// of it is gone.
char* res2lab_tensor_over(float* data, int64_t n, void* context, void (*give_back)(void*), at::Tensor** out) {
    return guarded([&] {
        *out = new at::Tensor(at::from_blob(
            data, {n}, [context, give_back](void*) { give_back(context); }, at::TensorOptions().dtype(at::kFloat)));
    });
}

// The same over `n` bytes that are only read.
char* res2lab_tensor_of_bytes(const uint8_t* data, int64_t n, void* context, void (*give_back)(void*), at::Tensor** out) {
    return guarded([&] {
        *out = new at::Tensor(at::from_blob(
            const_cast<uint8_t*>(data), {n}, [context, give_back](void*) { give_back(context); }, at::TensorOptions().dtype(at::kByte)));
    });
}

// Freed memory stays with the process: activations of a step come and go, and getting them from the kernel anew costs a
// page fault for every 4 KiB.
void res2lab_keep_memory() {
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_TOP_PAD, 64 << 20);
}

// Hands free memory back to the system.
void res2lab_return_memory() { malloc_trim(0); }

// Convolutions and products in half precision until the matching leave.
void res2lab_autocast_enter(bool cuda, bool bfloat16) {
    auto device = cuda ? at::kCUDA : at::kCPU;
    at::autocast::set_autocast_dtype(device, bfloat16 ? at::kBFloat16 : at::kHalf);
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::set_autocast_cache_enabled(true);
    at::autocast::increment_nesting();
}

void res2lab_autocast_leave(bool cuda) {
    // The cache holds weights in half precision, which are stale after the next step.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(cuda ? at::kCUDA : at::kCPU, false);
}

// libtorch's description of its build and of the processor it dispatches for; the caller frees it.
char* res2lab_show_config() { return strdup((at::show_config() + "\n" + at::get_cpu_capability()).c_str()); }

// A string of the program itself.
const char* res2lab_version() { return TORCH_VERSION; }

void res2lab_free(char* text) { free(text); }
}
