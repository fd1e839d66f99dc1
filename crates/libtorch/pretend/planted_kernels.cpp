// The stand-ins for operators that only CUDA has, against libtorch's own batch norm and
// convolution on the CPU.

#include "planted.h"

namespace {

using at::Tensor;

struct Norm {
    Tensor x, dy, weight, bias, mean, var;

    explicit Norm(at::ScalarType type, at::MemoryFormat format) {
        auto options = at::TensorOptions(type);
        x = (at::randn({6, 5, 4, 3}, options) * 2 + 1).contiguous(format);
        dy = at::randn({6, 5, 4, 3}, options).contiguous(format);
        weight = at::rand({5}, options) + 0.5;
        bias = at::randn({5}, options);
        mean = at::zeros({5}, options);
        var = at::ones({5}, options);
    }
};

constexpr double EPS = 1e-5, MOMENTUM = 0.1;

// As in SyncBatchNorm, with a batch that is cut into `sizes`.
std::vector<Tensor> by_parts(Norm n, std::vector<int64_t> sizes) {
    for (auto* t : {&n.x, &n.dy, &n.weight, &n.bias, &n.mean, &n.var}) *t = t->to(cuda());
    auto xs = n.x.split_with_sizes(sizes), dys = n.dy.split_with_sizes(sizes);
    std::vector<Tensor> means, inverses, counts;
    for (auto& x : xs) {
        auto [mean, inverse] = at::batch_norm_stats(x, EPS);
        means.push_back(mean);
        inverses.push_back(inverse);
        counts.push_back(at::full({}, double(x.numel() / x.size(1)), mean.options()));
    }
    auto count = at::stack(counts);
    auto [mean, inverse] = at::batch_norm_gather_stats_with_counts(
        n.x, at::stack(means), at::stack(inverses), n.mean, n.var, MOMENTUM, EPS, count);
    std::vector<Tensor> ys, dxs, sum_dys, sums_xmu, dweights, dbiases;
    for (size_t i = 0; i < xs.size(); i++) {
        ys.push_back(at::batch_norm_elemt(xs[i], n.weight, n.bias, mean, inverse, EPS));
        auto [sum_dy, sum_dy_xmu, dweight, dbias] = at::batch_norm_backward_reduce(
            dys[i], xs[i], mean, inverse, n.weight, true, true, true);
        sum_dys.push_back(sum_dy);
        sums_xmu.push_back(sum_dy_xmu);
        dweights.push_back(dweight);
        dbiases.push_back(dbias);
    }
    auto sum_dy = at::stack(sum_dys).sum(0), sum_dy_xmu = at::stack(sums_xmu).sum(0);
    for (size_t i = 0; i < xs.size(); i++) {
        dxs.push_back(at::batch_norm_backward_elemt(dys[i], xs[i], mean, inverse, n.weight, sum_dy,
                                                    sum_dy_xmu, count.to(at::kInt)));
    }
    return {at::cat(ys), at::cat(dxs), at::stack(dweights).sum(0), at::stack(dbiases).sum(0),
            n.mean, n.var};
}

std::vector<Tensor> by_libtorch(Norm n) {
    auto [y, mean, inverse] = at::native_batch_norm(n.x, n.weight, n.bias, n.mean, n.var,
                                                    /*training=*/true, MOMENTUM, EPS);
    auto [dx, dweight, dbias] =
        at::native_batch_norm_backward(n.dy, n.x, n.weight, n.mean, n.var, mean, inverse,
                                       /*train=*/true, EPS, {true, true, true});
    return {y, dx, dweight, dbias, n.mean, n.var};
}

void planted_norm(at::ScalarType type, at::MemoryFormat format, const std::string& title) {
    double exact = type == at::kDouble ? 1e-10 : 1e-4;
    for (auto sizes : {std::vector<int64_t>{6}, {3, 3}, {1, 5}}) {
        Norm n(type, format);
        Norm copy = n;
        copy.mean = n.mean.clone();
        copy.var = n.var.clone();
        auto ours = by_parts(n, sizes), right = by_libtorch(copy);
        bool good = true;
        for (size_t i = 0; i < ours.size(); i++) good &= close(ours[i], right[i], exact, exact);
        std::string parts = c10::str(sizes.size(), sizes.size() == 1 ? " part" : " parts of ");
        if (sizes.size() > 1) parts += c10::str(sizes[0], " and ", sizes[1]);
        check(good, "batch norm's kernels, " + title + ", " + parts);
    }
}

void planted_half() {
    Norm n(at::kFloat, at::MemoryFormat::ChannelsLast);
    auto x = n.x.to(at::kBFloat16).to(cuda());
    auto [mean, inverse] = at::batch_norm_stats(x, EPS);
    check(mean.scalar_type() == at::kFloat, "statistics of bfloat16 are float");
    auto y = at::batch_norm_elemt(x, n.weight.to(cuda()), n.bias.to(cuda()), mean, inverse, EPS);
    check(y.scalar_type() == at::kBFloat16, "its result is bfloat16");
    check(y.is_contiguous(at::MemoryFormat::ChannelsLast), "and keeps the memory format");
    refused("counts that are not int32 in batch_norm_backward_elemt", "expected scalar type Int",
            [&] { at::batch_norm_backward_elemt(x, x, mean, inverse, {}, mean, mean, mean); });
}

void planted_convolution(at::ScalarType type) {
    auto options = at::TensorOptions(type);
    auto x = at::randn({2, 4, 7, 7}, options), z = at::randn({2, 6, 4, 4}, options);
    auto weight = at::randn({6, 2, 3, 3}, options), bias = at::randn({6}, options);
    auto right = at::conv2d(x, weight, bias, {2, 2}, {1, 1}, {1, 1}, 2);
    auto bare = at::conv2d(x, weight, {}, {2, 2}, {1, 1}, {1, 1}, 2);
    auto gx = x.to(cuda()), gw = weight.to(cuda()), gb = bias.to(cuda()), gz = z.to(cuda());
    auto title = std::string(toString(type));
    check(close(at::cudnn_convolution_relu(gx, gw, gb, {2, 2}, {1, 1}, {1, 1}, 2), right.relu()),
          "cudnn_convolution_relu, " + title);
    check(close(at::cudnn_convolution_add_relu(gx, gw, gz, 0.5, gb, {2, 2}, {1, 1}, {1, 1}, 2),
                (right + z * 0.5).relu()),
          "cudnn_convolution_add_relu, " + title);
    check(close(at::cudnn_convolution(gx, gw, {1, 1}, {2, 2}, {1, 1}, 2, true, false, false), bare),
          "cudnn_convolution, " + title);
}

}  // namespace

void planted_kernels() {
    at::manual_seed(1);
    auto last = at::MemoryFormat::ChannelsLast, first = at::MemoryFormat::Contiguous;
    planted_norm(at::kFloat, first, "float32 NCHW");
    planted_norm(at::kFloat, last, "float32 NHWC");
    planted_norm(at::kDouble, last, "float64 NHWC");
    planted_half();
    planted_convolution(at::kFloat);
    planted_convolution(at::kDouble);
}
