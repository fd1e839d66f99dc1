// What libtorch has and tch does not bind. Each function returns nullptr, or a message that the caller frees.

#include <ATen/Context.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <torch/headeronly/version.h>
#include <cstring>
#include <exception>
#include <string>

namespace {
template <typename F>
char* guarded(F f) {
    try {
        f();
        return nullptr;
    } catch (const std::exception& e) {
        return strdup(e.what());
    }
}
}  // namespace

extern "C" {

// Makes `grad` the gradient of the leaf `leaf`, so that autograd adds into memory that we own.
char* res2lab_set_grad(at::Tensor* leaf, const at::Tensor* grad) {
    return guarded([&] { leaf->mutable_grad() = *grad; });
}

// One SGD step over flat buffers; see torch.optim.SGD for the arithmetic.
char* res2lab_fused_sgd(at::Tensor* values, at::Tensor* grads, at::Tensor* momentum_buffer, double lr, double momentum,
                        double weight_decay, bool nesterov, bool first) {
    return guarded([&] {
        at::_fused_sgd_({*values}, {*grads}, {*momentum_buffer}, weight_decay, momentum, lr, /*dampening=*/0.0, nesterov,
                        /*maximize=*/false, /*is_first_step=*/first);
    });
}

// libtorch's description of its build and of the processor it dispatches for; the caller frees it.
char* res2lab_show_config() { return strdup((at::show_config() + "\n" + at::get_cpu_capability()).c_str()); }

// A string of the program itself.
const char* res2lab_version() { return TORCH_VERSION; }

void res2lab_free(char* text) { free(text); }
}
