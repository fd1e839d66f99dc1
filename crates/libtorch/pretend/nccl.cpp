// The stand-in for NCCL: its rules over Gloo's transport. Gloo works in place, on the memory
// under the tensors.

#include "nccl.h"

#include "gloo_declarations.h"

#include <c10/core/StreamGuard.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace pretend {

namespace {

using Tensors = std::vector<at::Tensor>;
using WorkPointer = c10::intrusive_ptr<c10d::Work>;

// A flat CPU tensor over a tensor's memory.
at::Tensor flat(const at::Tensor& t) {
    TORCH_CHECK(t.is_cuda(), "No backend type associated with device type ", t.device().type(),
                " (pretend NCCL)");
    TORCH_CHECK(t.is_non_overlapping_and_dense(), "Tensors must be contiguous (pretend NCCL)");
    auto* start = static_cast<char*>(opened(t.storage().data()));
    start += t.storage_offset() * t.element_size();
    return at::from_blob(start, {t.numel()}, at::TensorOptions().dtype(t.scalar_type()));
}

Tensors flat(const Tensors& list) {
    Tensors out;
    for (auto& t : list) out.push_back(flat(t));
    return out;
}

struct Queue final : c10d::Work {
    int device;
    CollectiveStream::Queued queued;
    // Held until somebody waits, so that the memory is not given to others.
    Tensors held;
    c10::intrusive_ptr<c10::ivalue::Future> future;
    std::atomic<int> queries{0};

    Queue(int rank, c10d::OpType type, int device) : c10d::Work(rank, type), device(device) {}

    // The current stream waits; the host does not.
    void synchronize() override {
        current_stream_waits(device, queued.done);
        held.clear();
    }
    bool wait(std::chrono::milliseconds) override {
        synchronize();
        return true;
    }
    void blockCurrentStream() override { synchronize(); }
    bool isCompleted() override {
        if (host_knows(queued.done)) return true;
        if (queries++ < UNANSWERED) return false;
        settle(queued.done);
        return true;
    }
    bool isSuccess() const override { return true; }
    Tensors result() override { return future->value().toTensorVector(); }
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future; }
};

class Nccl final : public c10d::Backend {
   public:
    Nccl(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::Backend> gloo, int rank,
         int size)
        : c10d::Backend(rank, size), store(std::move(store)), gloo(std::move(gloo)) {}

    const std::string getBackendName() const override { return "nccl"; }

    WorkPointer allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
        auto plain = options;
        bool is_mean = options.reduceOp == c10d::ReduceOp::AVG;
        // Gloo has no mean.
        if (is_mean) plain.reduceOp = c10d::ReduceOp::SUM;
        return queue(c10d::OpType::ALLREDUCE, "allreduce", {}, tensors, [=, this, all = tensors] {
            auto host = flat(all);
            auto work = gloo->allreduce(host, plain);
            return [=, this] {
                work->wait();
                if (is_mean) at::Tensor(host[0]).div_(size_);
            };
        });
    }

    WorkPointer broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
        return queue(c10d::OpType::BROADCAST, "broadcast", {}, tensors, [=, this, all = tensors] {
            auto host = flat(all);
            auto work = gloo->broadcast(host, options);
            return [work] { work->wait(); };
        });
    }

    WorkPointer allgather(std::vector<Tensors>& out, Tensors& in,
                          const c10d::AllgatherOptions& options) override {
        auto parts = out.at(0);
        return queue(c10d::OpType::ALLGATHER, "allgather", in, parts, [=, this, in = in] {
            std::vector<Tensors> host_out{flat(parts)};
            auto host_in = flat(in);
            auto work = gloo->allgather(host_out, host_in, options);
            return [work] { work->wait(); };
        });
    }

    WorkPointer _allgather_base(at::Tensor& out, at::Tensor& in,
                                const c10d::AllgatherOptions& options) override {
        TORCH_CHECK(out.numel() == in.numel() * size_, "output tensor size must be equal to ",
                    "world_size times input tensor size (pretend NCCL)");
        Tensors reads{in}, writes{out};
        auto type = c10d::OpType::_ALLGATHER_BASE;
        return queue(type, "_allgather_base", reads, writes, [=, this, out = out, in = in] {
            std::vector<Tensors> host_out{{}};
            for (auto& part : flat(out).chunk(size_)) host_out[0].push_back(part);
            Tensors host_in{flat(in)};
            auto work = gloo->allgather(host_out, host_in, options);
            return [work] { work->wait(); };
        });
    }

   private:
    c10::intrusive_ptr<c10d::Store> store;
    c10::intrusive_ptr<c10d::Backend> gloo;
    std::unique_ptr<CollectiveStream> stream;
    std::mutex mutex;
    int device = -1;

    // As in NCCL the processes meet at the first collective, each with the device of its tensor.
    void meet(int with) {
        std::lock_guard<std::mutex> lock(mutex);
        TORCH_CHECK(device < 0 || device == with, "pretend NCCL: tensors of cuda:", device,
                    " and cuda:", with, " in one group");
        if (device >= 0) return;
        device = with;
        stream = std::make_unique<CollectiveStream>(device);
        TORCH_CHECK(!is_mig() || size_ == 1, "ncclInvalidUsage: MIG instances cannot talk to ",
                    "each other (pretend NCCL)");
        store->set(c10::str("physical", rank_), std::to_string(physical(device)));
        std::map<std::string, int> owner;
        for (int other = 0; other < size_; other++) {
            auto name = store->get_to_str(c10::str("physical", other));
            auto [it, is_new] = owner.emplace(name, other);
            TORCH_CHECK(is_new, "ncclInvalidUsage: Duplicate GPU detected : rank ", it->second,
                        " and rank ", other, " both on CUDA device ", name, " (pretend NCCL)");
        }
    }

    template <typename F>
    WorkPointer queue(c10d::OpType type, const char* name, const Tensors& reads,
                      const Tensors& writes, F start) {
        std::vector<Range> ranges;
        for (bool written : {false, true}) {
            for (auto& t : written ? writes : reads) {
                TORCH_CHECK(t.is_cuda(), "Tensors must be CUDA and dense (pretend NCCL)");
                meet(t.get_device());
                for (auto& range : ranges_of(t, written)) ranges.push_back(range);
            }
        }
        auto work = c10::make_intrusive<Queue>(rank_, type, device);
        work->queued = stream->queue(name, ranges, std::move(start));
        work->held = reads;
        work->held.insert(work->held.end(), writes.begin(), writes.end());
        complete_future(*work, writes);
        return work;
    }

    // WorkNCCL's future is complete as soon as the collective is queued; who asks for its value
    // waits on a stream.
    void complete_future(Queue& work, const Tensors& outputs) const {
        auto own = c10::Stream(c10::Stream::UNSAFE, device_of(device), stream->id());
        c10::StreamGuard guard(own);
        auto type = c10::ListType::create(c10::TensorType::get());
        std::vector<c10::Device> devices{device_of(device)};
        work.future = c10::make_intrusive<c10::ivalue::Future>(type, devices);
        work.future->markCompleted(c10::IValue(outputs));
    }
};

}  // namespace

}  // namespace pretend

// The caller owns what is returned.
extern "C" __attribute__((visibility("default"))) c10d::Backend* res2lab_pretend_backend(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
    std::chrono::milliseconds timeout) {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    // The processes of a test are on one machine.
    auto device = c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
    options->devices.push_back(device);
    auto prefixed = c10::make_intrusive<c10d::PrefixStore>("transport", store);
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed, rank, size, options);
    return c10::make_intrusive<pretend::Nccl>(store, gloo, rank, size).release();
}
