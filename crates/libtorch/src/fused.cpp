// oneDNN's convolutions with what follows them fused in, as libtorch registers them for its compiler. They have no C++ header,
// so they are looked up by name and called with their arguments on a stack.

#include "guarded.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/List.h>
#include <optional>
#include <string>
#include <vector>

namespace {

using torch::jit::Stack;

c10::OperatorHandle op(const char* name, const char* overload = "") {
    return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
}

c10::IValue none() { return c10::IValue(); }

c10::IValue no_scalars() { return c10::IValue(c10::List<std::optional<at::Scalar>>()); }

std::vector<int64_t> both(int64_t n) { return {n, n}; }

}  // namespace

extern "C" {

// `weight` in the blocked order that oneDNN wants for images of this size; it serves the two functions below only.
char* res2lab_prepack(const at::Tensor* weight, int64_t padding, int64_t stride, int64_t groups, const int64_t* input,
                      at::Tensor** out) {
    return guarded([&] {
        std::vector<int64_t> size(input, input + 4);
        Stack stack{*weight, both(padding), both(stride), both(1), groups, c10::IValue(size)};
        static const auto prepack = op("mkldnn::_reorder_convolution_weight");
        prepack.callBoxed(stack);
        *out = new at::Tensor(stack.at(0).toTensor());
    });
}

// relu(conv(x) + bias + other); `other` is nullable.
char* res2lab_conv_fused(const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, const at::Tensor* other,
                         int64_t padding, int64_t stride, int64_t groups, bool relu, at::Tensor** out) {
    return guarded([&] {
        Stack stack;
        if (other) {
            stack = {*x, *other, *weight, *bias, both(padding), both(stride), both(1), groups, std::string("add"), at::Scalar(1.0),
                     relu ? c10::IValue(std::string("relu")) : none(), no_scalars(), none()};
            static const auto binary = op("mkldnn::_convolution_pointwise", "binary");
            binary.callBoxed(stack);
        } else {
            stack = {*x, *weight, *bias, both(padding), both(stride), both(1), groups,
                     std::string(relu ? "relu" : "none"), no_scalars(), none()};
            static const auto unary = op("mkldnn::_convolution_pointwise");
            unary.callBoxed(stack);
        }
        *out = new at::Tensor(stack.at(0).toTensor());
    });
}
}
