// Sums gradients over processes while the backward pass still runs.

#include "gradients.h"
#include "group.h"
#include "guarded.h"
#include "streams.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

namespace {

using Clock = std::chrono::steady_clock;

// A moment of a step: on a GPU, when the stream gets there, which is later than it is told to.
struct Moment {
    Clock::time_point host;
    std::optional<c10::Event> event;

    void mark(bool on_gpu) {
        host = Clock::now();
        if (!on_gpu) return;
        // The default of the backend is the one that knows times.
        if (!event) event.emplace(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT);
        event->record(current_stream());
    }

    // Waits for the device.
    double milliseconds_since(const Moment& first) const {
        if (!event) return std::chrono::duration<double, std::milli>(host - first.host).count();
        event->synchronize();
        return first.event->elapsedTime(*event);
    }
};

}  // namespace

// A range of the gradient buffer that is summed in one go.
struct Bucket {
    at::Tensor gradients;
    std::vector<at::Tensor> leaves, views;
    size_t missing = 0;
    c10::intrusive_ptr<c10d::Work> work;
    Moment started, done;
};

// Each tensor's gradient tells when it is complete. A bucket whose gradients all are is summed.
struct Reducer {
    Group* group;
    std::vector<Bucket> buckets;
    std::vector<c10::intrusive_ptr<torch::autograd::Node>> nodes;
    std::vector<uintptr_t> hooks;
    std::mutex mutex;
    size_t next = 0;
    bool armed = false;
    // Whether gradients are added to those of earlier batches.
    bool adds = false;
    bool on_gpu = false;
    // Whether the moments of this step are noted. A recorded step has none.
    bool is_timed = true;
    Moment armed_at, backward_end;

    void mark(Moment& moment) const {
        if (is_timed) moment.mark(on_gpu);
    }

    void start(Bucket& bucket) {
        collect_gradients(bucket.leaves, bucket.views, adds);
        mark(bucket.started);
        bucket.work = group->sum_later(bucket.gradients);
        if (on_gpu) return;
        bucket.done.mark(false);
        if (auto future = bucket.work->getFuture()) {
            auto told = [&bucket](c10::ivalue::Future&) { bucket.done.mark(false); };
            future->addCallback(told, false);
        }
    }

    // All processes must start buckets in one order, whatever order their gradients come in.
    void start_complete(bool all) {
        while (next < buckets.size() && (all || buckets[next].missing == 0)) {
            start(buckets[next++]);
        }
    }

    void complete(size_t bucket) {
        std::lock_guard<std::mutex> guard(mutex);
        if (!armed) return;
        buckets[bucket].missing--;
        start_complete(false);
    }

    void listen(const at::Tensor& leaf, size_t bucket) {
        auto node = torch::autograd::impl::grad_accumulator(leaf);
        auto told = [this, bucket](const auto& outputs, const auto&) {
            complete(bucket);
            return outputs;
        };
        using Hook = torch::autograd::utils::LambdaPostHook;
        hooks.push_back(node->add_post_hook(std::make_unique<Hook>(told)));
        nodes.push_back(std::move(node));
    }

    ~Reducer() {
        for (size_t i = 0; i < nodes.size(); i++) nodes[i]->del_post_hook(hooks[i]);
    }
};

extern "C" {

// The gradient of `leaves[i]` goes to `views[i]`, a part of `buckets[bucket_of[i]]`. The group must
// outlive the reducer.
char* res2lab_reducer_new(Group* group, const at::Tensor* const* leaves,
                          const at::Tensor* const* views, const int64_t* bucket_of,
                          int64_t n_leaves, const at::Tensor* const* buckets, int64_t n_buckets,
                          Reducer** out) {
    return guarded([&] {
        auto reducer = std::make_unique<Reducer>();
        reducer->group = group;
        reducer->buckets.resize(n_buckets);
        for (int64_t i = 0; i < n_buckets; i++) {
            reducer->buckets[i].gradients = *buckets[i];
            reducer->on_gpu |= buckets[i]->is_cuda();
        }
        for (int64_t i = 0; i < n_leaves; i++) {
            auto& bucket = reducer->buckets[bucket_of[i]];
            bucket.leaves.push_back(*leaves[i]);
            bucket.views.push_back(*views[i]);
            reducer->listen(*leaves[i], bucket_of[i]);
        }
        *out = reducer.release();
    });
}

void res2lab_reducer_free(Reducer* reducer) { delete reducer; }

// The backward pass that comes next completes the gradients. `is_timed`: its moments are noted.
char* res2lab_reducer_arm(Reducer* reducer, bool adds, bool is_timed) {
    return guarded([&] {
        std::lock_guard<std::mutex> guard(reducer->mutex);
        for (auto& bucket : reducer->buckets) {
            bucket.missing = bucket.leaves.size();
            bucket.work.reset();
        }
        reducer->next = 0;
        reducer->armed = true;
        reducer->adds = adds;
        reducer->is_timed = is_timed;
        reducer->mark(reducer->armed_at);
    });
}

// After that pass: starts what its gradients did not start, and waits until all buckets are summed.
// On a GPU the stream waits, and not the caller.
char* res2lab_reducer_finish(Reducer* reducer) {
    return guarded([&] {
        {
            std::lock_guard<std::mutex> guard(reducer->mutex);
            reducer->armed = false;
            reducer->mark(reducer->backward_end);
            reducer->start_complete(true);
        }
        for (auto& bucket : reducer->buckets) {
            bucket.work->wait();
            if (reducer->on_gpu) reducer->mark(bucket.done);
        }
    });
}

// Milliseconds from arming: the end of the backward pass, then of each bucket its start and its end
// (2 n + 1 values). Waits for the device.
char* res2lab_reducer_times(const Reducer* reducer, double* out) {
    return guarded([&] {
        auto& first = reducer->armed_at;
        *out++ = reducer->backward_end.milliseconds_since(first);
        for (auto& bucket : reducer->buckets) {
            *out++ = bucket.started.milliseconds_since(first);
            *out++ = bucket.done.milliseconds_since(first);
        }
    });
}
}
