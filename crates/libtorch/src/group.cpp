// Processes that train one network together, over libtorch's c10d. Each function returns nullptr, or a message that the
// caller frees.

#include "gloo_declarations.h"
#include "guarded.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef RES2LAB_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <chrono>
#include <cstring>
#include <mutex>
#include <vector>

using Clock = std::chrono::steady_clock;

struct Group {
    c10::intrusive_ptr<c10d::Store> store;
    // Tensors in main memory.
    c10::intrusive_ptr<c10d::Backend> cpu;
    // Tensors of a GPU; null without one.
    c10::intrusive_ptr<c10d::Backend> gpu;
    int size;

    c10::intrusive_ptr<c10d::Backend>& of(const at::Tensor& tensor) {
        TORCH_CHECK(!tensor.is_cuda() || gpu, "this group of processes was made without a GPU");
        return tensor.is_cuda() ? gpu : cpu;
    }

    c10::intrusive_ptr<c10d::Work> sum_later(at::Tensor tensor) {
        std::vector<at::Tensor> list{std::move(tensor)};
        return of(list[0])->allreduce(list);
    }

    // N x the shape of `part`, in the order of ranks.
    at::Tensor gather(const at::Tensor& part) {
        std::vector<std::vector<at::Tensor>> out(1);
        for (int i = 0; i < size; i++) out[0].push_back(at::empty_like(part));
        std::vector<at::Tensor> in{part};
        of(part)->allgather(out, in)->wait();
        return at::stack(out[0]);
    }
};

namespace {
double milliseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

// Batch norm whose statistics are those of the images of all processes (N x C x H x W, over N, H and W).
struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
    static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias, at::Tensor running_mean, at::Tensor running_var, double momentum,
                              double eps, int64_t group_address) {
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
        // The variance of a union: the mean variance and the variance of the means (Chan et al. 1979).
        auto all_mean = (means * shares).sum(0);
        auto all_var = ((vars + (means - all_mean).square()) * shares).sum(0);
        running_mean.mul_(1 - momentum).add_(all_mean.to(mean.scalar_type()), momentum);
        auto unbiased = all_var * (total / (total - 1));
        running_var.mul_(1 - momentum).add_(unbiased.to(mean.scalar_type()), momentum);
        auto y = at::batch_norm(wide, weight, bias, all_mean.to(mean.scalar_type()), all_var.to(mean.scalar_type()),
                                /*training=*/false, 0.0, eps, false);
        ctx->save_for_backward({x, weight, all_mean, (all_var + eps).rsqrt(), total});
        ctx->saved_data["group"] = group_address;
        return y.to(x.scalar_type());
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   torch::autograd::variable_list grads) {
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
        auto dx = (dy - shape(means[0]) - centered * shape(inverse * means[1])) * shape(weight * inverse);
        at::Tensor none;
        return {dx.to(saved[0].scalar_type()), sum_dy_xhat, sum_dy, none, none, none, none, none};
    }
};
}  // namespace

// A range of the gradient buffer that is summed in one go.
struct Bucket {
    at::Tensor gradients;
    int tensors = 0;
    int missing = 0;
    c10::intrusive_ptr<c10d::Work> work;
    Clock::time_point started, done;
};

// Sums gradients while the backward pass still runs: each tensor's gradient tells when it is complete, and a bucket whose
// gradients all are starts on its way.
struct Reducer {
    Group* group;
    std::vector<Bucket> buckets;
    std::vector<c10::intrusive_ptr<torch::autograd::Node>> nodes;
    std::vector<uintptr_t> hooks;
    std::mutex mutex;
    size_t next = 0;
    bool armed = false;
    Clock::time_point armed_at, backward_end;

    // All processes must start buckets in one order, whatever order their gradients come in.
    void start_complete(bool all) {
        while (next < buckets.size() && (all || buckets[next].missing == 0)) {
            auto& bucket = buckets[next++];
            bucket.started = bucket.done = Clock::now();
            bucket.work = group->sum_later(bucket.gradients);
            if (auto future = bucket.work->getFuture()) {
                future->addCallback([&bucket](c10::ivalue::Future&) { bucket.done = Clock::now(); }, false);
            }
        }
    }

    void complete(size_t bucket) {
        std::lock_guard<std::mutex> guard(mutex);
        if (!armed) return;
        buckets[bucket].missing--;
        start_complete(false);
    }
};

extern "C" {

// Meets the other processes at host:port, which rank 0 opens. With `cuda` tensors of the current GPU can be summed too.
char* res2lab_group_new(const char* host, uint16_t port, int rank, int size, int64_t timeout_s, bool cuda, Group** out) {
    return guarded([&] {
        std::chrono::milliseconds timeout(timeout_s * 1000);
        c10d::TCPStoreOptions options;
        options.port = port;
        options.isServer = rank == 0;
        options.numWorkers = size;
        options.timeout = timeout;
        auto group = std::make_unique<Group>();
        group->size = size;
        group->store = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
        auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
        bool is_here = !strcmp(host, "127.0.0.1") || !strcmp(host, "localhost");
        // On one machine nothing but loopback is needed, and a host's own name does not always resolve.
        gloo->devices.push_back(is_here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                        : c10d::ProcessGroupGloo::createDefaultDevice());
        auto prefixed = c10::make_intrusive<c10d::PrefixStore>("cpu", group->store);
        group->cpu = c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed, rank, size, gloo);
        if (cuda) {
#ifdef RES2LAB_CUDA
            auto nccl = c10d::ProcessGroupNCCL::Options::create();
            nccl->timeout = timeout;
            prefixed = c10::make_intrusive<c10d::PrefixStore>("gpu", group->store);
            group->gpu = c10::make_intrusive<c10d::ProcessGroupNCCL>(prefixed, rank, size, nccl);
#else
            TORCH_CHECK(false, "this build has no NCCL: set up libtorch on a machine with a GPU");
#endif
        }
        *out = group.release();
    });
}

void res2lab_group_free(Group* group) { delete group; }

// Replaces `tensor` by its sum over all processes.
char* res2lab_group_sum(Group* group, const at::Tensor* tensor) {
    return guarded([&] { group->sum_later(*tensor)->wait(); });
}

// Replaces `tensor` by that of rank 0.
char* res2lab_group_copy_first(Group* group, const at::Tensor* tensor) {
    return guarded([&] {
        std::vector<at::Tensor> list{*tensor};
        group->of(*tensor)->broadcast(list)->wait();
    });
}

char* res2lab_sync_batch_norm(Group* group, const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias,
                              const at::Tensor* running_mean, const at::Tensor* running_var, double momentum, double eps,
                              at::Tensor** out) {
    return guarded([&] {
        *out = new at::Tensor(SyncBatchNorm::apply(*x, *weight, *bias, *running_mean, *running_var, momentum, eps,
                                                   reinterpret_cast<int64_t>(group)));
    });
}

// `leaves[i]` adds its gradient into `buckets[bucket_of[i]]`. The group must outlive the reducer.
char* res2lab_reducer_new(Group* group, const at::Tensor* const* leaves, const int64_t* bucket_of, int64_t n_leaves,
                          const at::Tensor* const* buckets, int64_t n_buckets, Reducer** out) {
    return guarded([&] {
        auto reducer = std::make_unique<Reducer>();
        reducer->group = group;
        reducer->buckets.resize(n_buckets);
        for (int64_t i = 0; i < n_buckets; i++) reducer->buckets[i].gradients = *buckets[i];
        for (int64_t i = 0; i < n_leaves; i++) {
            size_t bucket = bucket_of[i];
            reducer->buckets[bucket].tensors++;
            auto node = torch::autograd::impl::grad_accumulator(*leaves[i]);
            auto told = [at = reducer.get(), bucket](const auto& outputs, const auto&) {
                at->complete(bucket);
                return outputs;
            };
            reducer->hooks.push_back(
                node->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(told)));
            reducer->nodes.push_back(std::move(node));
        }
        *out = reducer.release();
    });
}

void res2lab_reducer_free(Reducer* reducer) {
    for (size_t i = 0; i < reducer->nodes.size(); i++) reducer->nodes[i]->del_post_hook(reducer->hooks[i]);
    delete reducer;
}

// The backward pass that comes next completes the gradients.
void res2lab_reducer_arm(Reducer* reducer) {
    std::lock_guard<std::mutex> guard(reducer->mutex);
    for (auto& bucket : reducer->buckets) {
        bucket.missing = bucket.tensors;
        bucket.work.reset();
    }
    reducer->next = 0;
    reducer->armed = true;
    reducer->armed_at = Clock::now();
}

// After that pass: starts what its gradients did not start, and waits until all buckets are summed.
char* res2lab_reducer_finish(Reducer* reducer) {
    return guarded([&] {
        {
            std::lock_guard<std::mutex> guard(reducer->mutex);
            reducer->armed = false;
            reducer->backward_end = Clock::now();
            reducer->start_complete(true);
        }
        for (auto& bucket : reducer->buckets) bucket.work->wait();
    });
}

// Milliseconds from arming: the end of the backward pass, then of each bucket its start and its end (2 n + 1 values).
void res2lab_reducer_times(const Reducer* reducer, double* out) {
    *out++ = milliseconds(reducer->armed_at, reducer->backward_end);
    for (auto& bucket : reducer->buckets) {
        *out++ = milliseconds(reducer->armed_at, bucket.started);
        *out++ = milliseconds(reducer->armed_at, bucket.done);
    }
}
}
