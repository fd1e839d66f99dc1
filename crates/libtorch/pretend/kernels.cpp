// Operators that only CUDA has. They are registered for the CPU, so that the way of all other
// operators leads to them, and refuse tensors of the host.

#include "devices.h"

namespace pretend {

namespace {

using at::Tensor;
using Optional = std::optional<Tensor>;

void check_on_device(const char* name) {
    TORCH_CHECK(InKernel::is_now(), "Could not run 'aten::", name,
                "' with arguments from the 'CPU' backend. (pretend)");
}

// All dimensions but that of the channels.
std::vector<int64_t> others(const Tensor& x) {
    std::vector<int64_t> dims{0};
    for (int64_t i = 2; i < x.dim(); i++) dims.push_back(i);
    return dims;
}

// A value for each channel, in the shape that `x` is multiplied by.
Tensor spread(const Tensor& values, const Tensor& x) {
    std::vector<int64_t> shape(x.dim(), 1);
    shape[1] = -1;
    return values.reshape(shape);
}

// Statistics of half precision are kept in float.
at::ScalarType wide_type(const Tensor& x) {
    return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

Tensor wide(const Tensor& x) { return x.to(wide_type(x)); }

void check_statistics(const char* name, const Tensor& x, const Tensor& values) {
    TORCH_CHECK(values.scalar_type() == wide_type(x), "pretend: ", name, ": statistics of ",
                x.scalar_type(), " are ", wide_type(x), ", not ", values.scalar_type());
}

std::tuple<Tensor, Tensor> batch_norm_stats(const Tensor& x, double eps) {
    check_on_device("batch_norm_stats");
    auto [var, mean] = at::var_mean(wide(x), others(x), /*correction=*/0);
    return {mean, (var + eps).rsqrt()};
}

Tensor batch_norm_elemt(const Tensor& x, const Optional& weight, const Optional& bias,
                        const Tensor& mean, const Tensor& invstd, double) {
    check_on_device("batch_norm_elemt");
    check_statistics("batch_norm_elemt", x, mean);
    auto y = (wide(x) - spread(mean, x)) * spread(invstd, x);
    if (weight && weight->defined()) y = y * spread(wide(*weight), x);
    if (bias && bias->defined()) y = y + spread(wide(*bias), x);
    return y.to(x.scalar_type());
}

// Puts together the statistics of parts of a batch: a row of `means` and `invstds` and a number
// of `counts` for each.
std::tuple<Tensor, Tensor> batch_norm_gather_stats_with_counts(
    const Tensor& x, const Tensor& means, const Tensor& invstds, const Optional& running_mean,
    const Optional& running_var, double momentum, double eps, const Tensor& counts) {
    check_on_device("batch_norm_gather_stats_with_counts");
    check_statistics("batch_norm_gather_stats_with_counts", x, means);
    check_statistics("batch_norm_gather_stats_with_counts", x, counts);
    auto rows = means.to(at::kDouble);
    auto vars = invstds.to(at::kDouble).pow(-2) - eps;
    auto n = counts.to(at::kDouble).reshape({-1, 1});
    auto total = n.sum();
    auto mean = (rows * n).sum(0) / total;
    auto var = ((vars + (rows - mean).square()) * n).sum(0) / total;
    auto update = [&](const Optional& running, const Tensor& value) {
        if (!running || !running->defined()) return;
        auto mixed = running->to(at::kDouble) * (1 - momentum) + value * momentum;
        Tensor(*running).copy_(mixed);
    };
    update(running_mean, mean);
    update(running_var, var * (total / (total - 1)));
    auto type = means.scalar_type();
    return {mean.to(type), (var + eps).rsqrt().to(type)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_backward_reduce(
    const Tensor& dy, const Tensor& x, const Tensor& mean, const Tensor& invstd,
    const Optional& weight, bool input_g, bool weight_g, bool bias_g) {
    check_on_device("batch_norm_backward_reduce");
    check_statistics("batch_norm_backward_reduce", x, mean);
    auto sum_dy = wide(dy).sum(others(x));
    auto sum_dy_xmu = (wide(dy) * (wide(x) - spread(mean, x))).sum(others(x));
    auto type = weight && weight->defined() ? weight->scalar_type() : sum_dy.scalar_type();
    Tensor none;
    return {input_g ? sum_dy : none, input_g ? sum_dy_xmu : none,
            weight_g ? (sum_dy_xmu * invstd).to(type) : none,
            bias_g ? sum_dy.to(type, /*non_blocking=*/false, /*copy=*/true) : none};
}

// The sums are those over all parts of the batch, and `count` has the size of each part.
Tensor batch_norm_backward_elemt(const Tensor& dy, const Tensor& x, const Tensor& mean,
                                 const Tensor& invstd, const Optional& weight,
                                 const Tensor& sum_dy, const Tensor& sum_dy_xmu,
                                 const Tensor& count) {
    check_on_device("batch_norm_backward_elemt");
    check_statistics("batch_norm_backward_elemt", x, sum_dy);
    TORCH_CHECK(count.scalar_type() == at::kInt, "expected scalar type Int but found ",
                count.scalar_type(), " (pretend: batch_norm_backward_elemt)");
    auto total = count.sum().to(at::kDouble);
    auto type = wide_type(x);
    auto mean_dy = (sum_dy / total).to(type);
    auto slope = (sum_dy_xmu / total).to(type) * invstd.square();
    auto factor = invstd;
    if (weight && weight->defined()) factor = factor * weight->to(type);
    auto centered = wide(x) - spread(mean, x);
    auto dx = wide(dy) - spread(mean_dy, x) - centered * spread(slope, x);
    return (dx * spread(factor, x)).to(x.scalar_type());
}

Tensor cudnn_convolution(const Tensor& x, const Tensor& weight, at::IntArrayRef padding,
                         at::IntArrayRef stride, at::IntArrayRef dilation, int64_t groups, bool,
                         bool, bool) {
    check_on_device("cudnn_convolution");
    return at::conv2d(x, weight, {}, stride, padding, dilation, groups);
}

Tensor cudnn_convolution_relu(const Tensor& x, const Tensor& weight, const Optional& bias,
                              at::IntArrayRef stride, at::IntArrayRef padding,
                              at::IntArrayRef dilation, int64_t groups) {
    check_on_device("cudnn_convolution_relu");
    return at::conv2d(x, weight, bias, stride, padding, dilation, groups).relu_();
}

Tensor cudnn_convolution_add_relu(const Tensor& x, const Tensor& weight, const Tensor& z,
                                  const std::optional<at::Scalar>& alpha, const Optional& bias,
                                  at::IntArrayRef stride, at::IntArrayRef padding,
                                  at::IntArrayRef dilation, int64_t groups) {
    check_on_device("cudnn_convolution_add_relu");
    auto y = at::conv2d(x, weight, bias, stride, padding, dilation, groups);
    TORCH_CHECK(y.sizes() == z.sizes(), "pretend: cudnn_convolution_add_relu: `z` has sizes ",
                z.sizes(), ", the convolution ", y.sizes());
    return y.add_(z, alpha.value_or(1)).relu_();
}

TORCH_LIBRARY_IMPL(aten, CPU, m) {
    m.impl("batch_norm_stats", &batch_norm_stats);
    m.impl("batch_norm_elemt", &batch_norm_elemt);
    m.impl("batch_norm_gather_stats_with_counts", &batch_norm_gather_stats_with_counts);
    m.impl("batch_norm_backward_reduce", &batch_norm_backward_reduce);
    m.impl("batch_norm_backward_elemt", &batch_norm_backward_elemt);
    m.impl("cudnn_convolution", &cudnn_convolution);
    m.impl("cudnn_convolution_relu", &cudnn_convolution_relu);
    m.impl("cudnn_convolution_add_relu", &cudnn_convolution_add_relu);
}

}  // namespace

}  // namespace pretend
