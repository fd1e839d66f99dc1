// Where autograd leaves gradients, and the flat buffer that holds all of them.

#pragma once

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <vector>

// Moves the gradients of `leaves` to `views`, or adds them there. The leaves have none afterwards:
// the next backward pass then hands its own tensors over instead of adding to ours, one by one.
inline void collect_gradients(const std::vector<at::Tensor>& leaves,
                              const std::vector<at::Tensor>& views, bool adds) {
    c10::AutoGradMode no_graph(false);
    std::vector<at::Tensor> from, to;
    for (size_t i = 0; i < leaves.size(); i++) {
        auto& gradient = leaves[i].mutable_grad();
        if (!gradient.defined()) continue;
        from.push_back(std::move(gradient));
        gradient = at::Tensor();
        to.push_back(views[i]);
    }
    if (from.empty()) return;
    if (adds) {
        at::_foreach_add_(to, from);
    } else {
        at::_foreach_copy_(to, from);
    }
}
