// Small networks: the CPU's numbers, forward and backward; and what is counted of them.

#include "planted.h"

#include "../src/recording.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

using at::Tensor;

struct Weights {
    Tensor image, kernel, scale, shift, mean, var;

    Weights(at::Device device, at::MemoryFormat format) {
        at::manual_seed(3);
        image = at::rand({4, 3, 8, 8}).to(device).contiguous(format);
        kernel = at::randn({6, 3, 3, 3}).to(device).contiguous(format).requires_grad_();
        scale = at::ones({6}, device).requires_grad_();
        shift = at::zeros({6}, device).requires_grad_();
        mean = at::zeros({6}, device);
        var = at::ones({6}, device);
    }

    // One step with a split and a cat, as in a Res2Net block; the loss.
    Tensor step(bool autocast) {
        auto type = image.device().type();
        at::autocast::set_autocast_dtype(type, at::kBFloat16);
        at::autocast::set_autocast_enabled(type, autocast);
        auto y = at::conv2d(image, kernel, {}, 1, 1);
        y = at::batch_norm(y, scale, shift, mean, var, true, 0.1, 1e-5, true).relu_();
        auto parts = y.split_with_sizes({2, 2, 2}, 1);
        auto sum = parts[0] + parts[1];
        y = at::cat({sum, parts[2]}, 1);
        auto labels = at::arange(4).to(image.device());
        auto loss = at::cross_entropy_loss(y.mean({2, 3}), labels);
        at::autocast::set_autocast_enabled(type, false);
        at::autocast::clear_cache();
        loss.backward();
        return loss.detach();
    }

    std::vector<Tensor> results(bool autocast) {
        auto loss = step(autocast);
        return {loss, kernel.grad(), scale.grad(), shift.grad(), mean, var};
    }
};

void planted_step(at::MemoryFormat format, bool half, const std::string& title) {
    auto ours = Weights(cuda(1), format).results(half);
    auto right = Weights(at::kCPU, format).results(half);
    bool same = true;
    for (size_t i = 0; i < ours.size(); i++) {
        same &= close(ours[i], right[i], half ? 1e-2 : 1e-6, half ? 1e-3 : 1e-7);
    }
    check(same, "a step has the CPU's numbers, " + title);
    check(ours[1].is_contiguous(format), "its gradient has the memory format, " + title);
}

void planted_foreach() {
    std::vector<Tensor> host, device;
    for (int i = 0; i < 3; i++) {
        host.push_back(at::rand({i + 2, 3}));
        device.push_back(host.back().to(cuda()));
    }
    at::_foreach_mul_(host, 2);
    at::_foreach_mul_(device, 2);
    at::_foreach_add_(host, host, 0.5);
    at::_foreach_add_(device, device, 0.5);
    auto norms = at::_foreach_norm(device), right = at::_foreach_norm(host);
    bool same = true;
    for (int i = 0; i < 3; i++) same &= close(host[i], device[i]) && close(norms[i], right[i]);
    check(same, "_foreach_mul_, _foreach_add_ and _foreach_norm");
    std::vector<Tensor> copies;
    for (auto& t : device) copies.push_back(at::empty_like(t));
    at::_foreach_copy_(copies, device);
    check(close(copies[2], host[2]), "_foreach_copy_");

    auto inf = at::zeros({1}, cuda()), scale = at::full({1}, 0.5, cuda());
    device[1][0][0] = INFINITY;
    at::_amp_foreach_non_finite_check_and_unscale_(device, inf, scale);
    check(inf.item<float>() == 1, "_amp_foreach_non_finite_check_and_unscale_");
}

void planted_sgd() {
    auto run = [](at::Device device) {
        at::manual_seed(4);
        std::vector<Tensor> w{at::rand({3, 2}).to(device)}, g{at::rand({3, 2}).to(device)};
        std::vector<Tensor> m{at::zeros({3, 2}, device)};
        for (bool first : {true, false}) {
            at::_fused_sgd_(w, g, m, 1e-4, 0.9, 0.1, 0, false, false, first, {}, {});
        }
        return w[0];
    };
    check(close(run(cuda()), run(at::kCPU)), "_fused_sgd_");
}

void planted_seeds() {
    auto draw = [] {
        at::manual_seed(7);
        return at::rand({10}, cuda()).cpu();
    };
    auto first = draw();
    at::rand({10});
    check(at::equal(first, draw()), "a seed gives the same random numbers again");
    at::manual_seed(7);
    auto on_first = at::rand({10}, cuda(0)).cpu(), on_second = at::rand({10}, cuda(1)).cpu();
    check(at::equal(on_first, on_second), "each device has a generator of its own");
}

void planted_checkpoint() {
    Weights saved(cuda(), at::MemoryFormat::ChannelsLast);
    auto host = saved.kernel.detach().cpu();
    auto back = at::zeros_like(saved.kernel);
    back.copy_(host);
    check(at::equal(back.cpu(), saved.kernel.cpu()), "weights to the host and back");
    auto flat = at::zeros({host.numel()}, cuda());
    auto view = flat.as_strided(host.sizes(), host.strides());
    view.copy_(host);
    check(close(flat.sum(), host.sum()), "a view of a flat tensor is written through");
}

}  // namespace

void planted_networks() {
    for (bool half : {false, true}) {
        std::string kind = half ? "bfloat16 by autocast, " : "float32, ";
        planted_step(at::MemoryFormat::Contiguous, half, kind + "NCHW");
        planted_step(at::MemoryFormat::ChannelsLast, half, kind + "NHWC");
    }
    planted_foreach();
    planted_sgd();
    planted_seeds();
    planted_checkpoint();
}

// The counts of a process that `again` started: a copy to the device, three steps of three
// operators, and two waits; or two steps by a graph, the second with SGD after the replay.
int counted_child(bool with_graph) {
    auto w = at::ones({2, 3, 4, 4}, cuda()), g = w.clone(), m = at::zeros_like(w);
    auto sgd = [&] {
        std::vector<Tensor> ws{w}, gs{g}, ms{m};
        at::_fused_sgd_(ws, gs, ms, 0, 0.9, 0.1, 0, false, false, false, {}, {});
    };
    if (with_graph) {
        std::unique_ptr<Recording> graph(
            reinterpret_cast<Recording* (*)()>(dlsym(RTLD_DEFAULT, "res2lab_pretend_graph"))());
        Stream side;
        sgd();
        side.wait_for_default();
        side.run([&] {
            graph->begin();
            g.mul_(2);
            graph->end();
        });
        side.default_waits();
        graph->replay();
        graph->replay();
        sgd();
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        auto view = w.narrow(1, 0, 2).unsqueeze(0);
        at::_foreach_mul_(std::vector<Tensor>{w, g}, 1);
        g.contiguous(at::MemoryFormat::ChannelsLast);
        sgd();
    }
    w.cpu();
    at::zeros({2}).to(cuda());
    return 0;
}

// The report of this program again, as `argument` says.
std::string report_of(const std::string& argument) {
    char folder[] = "/tmp/pretend-XXXXXX";
    std::string path = mkdtemp(folder);
    again("RES2LAB_PRETEND_SITES=1 RES2LAB_PRETEND_REPORT=" + path, argument);
    std::stringstream text;
    for (auto& file : std::filesystem::directory_iterator(path)) {
        text << std::ifstream(file.path()).rdbuf();
    }
    std::filesystem::remove_all(path);
    return text.str();
}

void planted_counts() {
    auto report = report_of("counted");
    auto has = [&](const std::string& part) {
        check(report.find(part) != std::string::npos, "the report has " + part);
    };
    has("\"steps\": 3");
    has("\"last_step\": {\"operators\": 3, \"syncs\": 0, \"host_to_device\": 0, "
        "\"device_to_host\": 0, \"device_to_device\": 1, \"between_devices\": 0, "
        "\"format_flips\": 1");
    has("\"aten::_foreach_mul_\": 1");
    has("\"copy_ to the host\": 1");
    has("\"copy_ from the host\": 1");
    has("copy_ to the host 0x");
    has("\"left\": []");
    report = report_of("counted_graph");
    has("\"steps\": 3");
    has("\"replays\": 2");
}
