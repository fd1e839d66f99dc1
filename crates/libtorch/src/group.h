// The processes that train one network together.

#pragma once

#include "gloo_declarations.h"

#include <ATen/Functions.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <utility>
#include <vector>

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

    // N x the length of the vector `part`, in the order of ranks.
    at::Tensor gather(at::Tensor part) {
        auto all = at::empty({size, part.numel()}, part.options());
        if (part.is_cuda()) {
            gpu->_allgather_base(all, part)->wait();
            return all;
        }
        std::vector<std::vector<at::Tensor>> out{all.unbind(0)};
        std::vector<at::Tensor> in{std::move(part)};
        cpu->allgather(out, in)->wait();
        return all;
    }
};
