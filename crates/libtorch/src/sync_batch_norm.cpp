// Batch norm whose statistics are those of the images of all processes (N x C x H x W, over N, H
// and W).

#include "group.h"
#include "guarded.h"

#include <torch/csrc/autograd/custom_function.h>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The arguments of `forward` after the tensors have no gradient.
variable_list gradients(at::Tensor x, at::Tensor weight, at::Tensor bias) {
    at::Tensor none;
    return {std::move(x), std::move(weight), std::move(bias), none, none, none, none, none};
}

// By operators that every device has, with sums in float64.
struct Portable : torch::autograd::Function<Portable> {
    static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias, at::Tensor running_mean,
                              at::Tensor running_var, double momentum, double eps,
                              int64_t group_address) {
        auto& group = *reinterpret_cast<Group*>(group_address);
        auto wide = x.to(weight.scalar_type());
        auto [var, mean] = at::var_mean(wide, at::IntArrayRef{0, 2, 3}, /*correction=*/0);
        auto count = at::full({1}, double(x.numel() / x.size(1)), mean.options());
        auto all = group.gather(at::cat({mean, var, count}).to(at::kDouble));
        auto channels = x.size(1);
        auto means = all.narrow(1, 0, channels), vars = all.narrow(1, channels, channels);
        auto shares = all.narrow(1, 2 * channels, 1);
        auto total = shares.sum();
        shares = shares / total;
        // The variance of a union: the mean variance and the variance of the means (Chan et al.
        // 1979).
        auto all_mean = (means * shares).sum(0);
        auto all_var = ((vars + (means - all_mean).square()) * shares).sum(0);
        running_mean.mul_(1 - momentum).add_(all_mean.to(mean.scalar_type()), momentum);
        auto unbiased = all_var * (total / (total - 1));
        running_var.mul_(1 - momentum).add_(unbiased.to(mean.scalar_type()), momentum);
        auto y = at::batch_norm(wide, weight, bias, all_mean.to(mean.scalar_type()),
                                all_var.to(mean.scalar_type()), /*training=*/false, 0.0, eps,
                                false);
        ctx->save_for_backward({x, weight, all_mean, (all_var + eps).rsqrt(), total});
        ctx->saved_data["group"] = group_address;
        return y.to(x.scalar_type());
    }

    static variable_list backward(AutogradContext* ctx, variable_list grads) {
        auto& group = *reinterpret_cast<Group*>(ctx->saved_data["group"].toInt());
        auto saved = ctx->get_saved_variables();
        auto kind = saved[1].scalar_type();
        auto x = saved[0].to(kind), weight = saved[1], dy = grads[0].to(kind);
        auto mean = saved[2].to(kind), inverse = saved[3].to(kind);
        auto shape = [&](const at::Tensor& t) { return t.view({1, -1, 1, 1}); };
        auto centered = x - shape(mean);
        auto sum_dy = dy.sum({0, 2, 3});
        auto sum_dy_xhat = (dy * centered).sum({0, 2, 3}) * inverse;
        auto sums = at::stack({sum_dy, sum_dy_xhat}).to(at::kDouble);
        group.sum_later(sums)->wait();
        auto means = (sums / saved[4]).to(kind);
        auto dx = dy - shape(means[0]) - centered * shape(inverse * means[1]);
        dx = dx * shape(weight * inverse);
        return gradients(dx.to(saved[0].scalar_type()), sum_dy_xhat, sum_dy);
    }
};

// In the memory layout that the activations have, which the kernels below need.
at::Tensor dense(const at::Tensor& x) { return x.contiguous(x.suggest_memory_format()); }

// By libtorch's own kernels for GPUs, as torch.nn.SyncBatchNorm: four in the forward pass and two in
// the backward pass, in the element type of the activations.
struct Native : torch::autograd::Function<Native> {
    static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input,
                              const at::Tensor& weight, const at::Tensor& bias,
                              at::Tensor running_mean, at::Tensor running_var, double momentum,
                              double eps, int64_t group_address) {
        auto& group = *reinterpret_cast<Group*>(group_address);
        auto x = dense(input);
        auto channels = x.size(1);
        auto [own_mean, own_inverse] = at::batch_norm_stats(x, eps);
        auto own_count = at::full({1}, double(x.numel() / channels), own_mean.options());
        auto all = group.gather(at::cat({own_mean, own_inverse, own_count}));
        auto means = all.narrow(1, 0, channels), inverses = all.narrow(1, channels, channels);
        auto counts = all.select(1, 2 * channels).contiguous();
        auto [mean, inverse] = at::batch_norm_gather_stats_with_counts(
            x, means, inverses, running_mean, running_var, momentum, eps, counts);
        ctx->save_for_backward({x, weight, mean, inverse, counts.to(at::kInt)});
        ctx->saved_data["group"] = group_address;
        return at::batch_norm_elemt(x, weight, bias, mean, inverse, eps);
    }

    static variable_list backward(AutogradContext* ctx, variable_list grads) {
        auto& group = *reinterpret_cast<Group*>(ctx->saved_data["group"].toInt());
        auto saved = ctx->get_saved_variables();
        auto &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
        auto dy = grads[0].contiguous(x.suggest_memory_format());
        auto [sum_dy, sum_dy_xmu, dweight, dbias] =
            at::batch_norm_backward_reduce(dy, x, mean, inverse, weight, true, true, true);
        auto sums = at::cat({sum_dy, sum_dy_xmu});
        group.sum_later(sums)->wait();
        auto channels = sum_dy.numel();
        auto dx = at::batch_norm_backward_elemt(dy, x, mean, inverse, weight,
                                                sums.narrow(0, 0, channels),
                                                sums.narrow(0, channels, channels), saved[4]);
        return gradients(dx, dweight, dbias);
    }
};

}  // namespace

extern "C" char* res2lab_sync_batch_norm(Group* group, const at::Tensor* x,
                                         const at::Tensor* weight, const at::Tensor* bias,
                                         const at::Tensor* running_mean,
                                         const at::Tensor* running_var, double momentum, double eps,
                                         at::Tensor** out) {
    return guarded([&] {
        auto address = reinterpret_cast<int64_t>(group);
        auto y = x->is_cuda() ? Native::apply(*x, *weight, *bias, *running_mean, *running_var,
                                              momentum, eps, address)
                              : Portable::apply(*x, *weight, *bias, *running_mean, *running_var,
                                                momentum, eps, address);
        *out = new at::Tensor(y);
    });
}
