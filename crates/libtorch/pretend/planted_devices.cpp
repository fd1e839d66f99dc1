// Which devices there are, tensors on the wrong one, and memory.

#include "planted.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <signal.h>
#include <unistd.h>

#include <iostream>

namespace {

const char* TWO = "Expected all tensors to be on the same device";

void planted_visible() {
    auto visible = [](const char* value, const char* expected) {
        std::string variable = value;
        auto [status, text] = again("RES2LAB_PRETEND_GPUS=4 " + variable, "visible");
        check(status == 0 && text == expected, variable + " shows the right devices", text);
    };
    visible("CUDA_VISIBLE_DEVICES=3,1", "2\n");
    visible("CUDA_VISIBLE_DEVICES=", "0\n");
    visible("CUDA_VISIBLE_DEVICES=-1", "0\n");
    visible("CUDA_VISIBLE_DEVICES=0,-1,2", "1\n");
    visible("CUDA_VISIBLE_DEVICES=GPU-pretend-2,GPU-pretend-0", "2\n");
    visible("CUDA_VISIBLE_DEVICES=MIG-pretend-1,MIG-pretend-2", "1\n");
    visible("CUDA_VISIBLE_DEVICES=1,1", "0\n");
}

// Children inherit LD_PRELOAD, but a shell has no use for devices.
void planted_children() {
    FILE* pipe = popen("grep -c 'pretend[.]so' /proc/self/maps; "
                       "grep -c pretend_device /proc/self/maps", "r");
    int small = 0, large = 0;
    bool read = fscanf(pipe, "%d %d", &small, &large) == 2;
    pclose(pipe);
    check(read && small > 0 && large == 0, "a child that is no such program loads no device");
}

}  // namespace

void planted_devices() {
    planted_visible();
    planted_children();
    auto host = at::rand({4, 4});
    auto a = host.to(cuda(0)), b = host.to(cuda(1));
    auto image = at::rand({2, 3, 8, 8}), weight = at::rand({4, 3, 3, 3});
    auto labels = at::zeros({4}, at::kLong);
    check(a.device() == cuda(0) && b.device() == cuda(1), "two devices");
    refused("cuda:0 + cuda:1", TWO, [&] { a + b; });
    refused("cuda:0 += cuda:1", TWO, [&] { a.add_(b); });
    refused("product of cuda:0 and cuda:1", TWO, [&] { a.mm(b); });
    refused("cat of cuda:0 and cuda:1", TWO, [&] { at::cat({a, b}); });
    refused("convolution of cuda:0 by cuda:1", TWO,
            [&] { at::conv2d(image.to(cuda(0)), weight.to(cuda(1))); });
    refused("convolution by the host's weights", TWO,
            [&] { at::conv2d(image.to(cuda(0)), weight); });
    refused("cuda:0 + cpu", TWO, [&] { a + host; });
    refused("product of cuda:0 and cpu", TWO, [&] { a.mm(host); });
    refused("a loss with the labels left on the host", TWO, [&] { at::nll_loss(a, labels); });
    refused("a list for foreach on two devices", TWO,
            [&] { at::_foreach_add_(std::vector<at::Tensor>{a, b}, 1); });
    refused("cuda:2 of 2", "invalid device ordinal", [&] { at::zeros({1}, cuda(2)); });
    check(close(a + at::scalar_tensor(1.0), host + 1), "allowed: a number of the host");
    auto rows = at::arange(1, 3);
    check(close(a.index({rows}), host.index({rows})), "allowed: indices of the host");
    check(at::equal(a.to(cuda(1)).cpu(), host), "allowed: a copy from device to device");
    refused("an operator of CUDA on the host", "Could not run",
            [&] { at::batch_norm_stats(image, 1e-5); });
}

void planted_memory() {
    auto host = at::rand({4, 4});
    auto a = host.to(cuda());
    check(killed_by([&] { host.add_(*a.data_ptr<float>()); }) == SIGSEGV,
          "the host reads device memory: SIGSEGV");
    auto [status, text] = again("A=1", "touch");
    check(text.find("pretend: the host touched device memory") != std::string::npos,
          "and says so", text);
    check(killed_by([&] { *a.data_ptr<float>() = 1; }) == SIGSEGV,
          "the host writes device memory: SIGSEGV");
    check(killed_by([&] { at::from_blob(a.data_ptr(), {4, 4}).sum(); }) == SIGSEGV,
          "a CPU tensor over device memory: SIGSEGV");
    check(killed_by([&] { host.data_ptr<float>()[0] = 1; }) == 0, "the host's memory is its own");

    const char* oom = "CUDA out of memory. Tried to allocate";
    int64_t gib = int64_t(1) << 30;
    auto bytes = at::TensorOptions(at::kByte).device(cuda());
    refused("64 GiB", oom, [&] { at::empty({64 * gib}, bytes); });
    auto large = at::zeros({100000}, cuda());
    large.fill_(1);
    large.reset();
    check(at::empty({100000}, cuda()).isnan().all().item<bool>(), "fresh memory is NaN");
    check(at::zeros({100}, cuda()).sum().item<float>() == 0, "zeros are zeros");

    auto small = std::string("RES2LAB_PRETEND_GPU_BYTES=64000000 ");
    auto fraction = small + "PYTORCH_ALLOC_CONF=per_process_memory_fraction:0.5";
    check(again(small, "take 40000000").first == 0, "40 of 64 MB fit");
    check(again(small, "take 70000000").first == 3, "70 of 64 MB do not");
    check(again(fraction, "take 40000000").first == 3, "nor 40 MB in half of them");

    // The parent holds some of the same device.
    char counter[] = "/dev/shm/res2lab-planted-XXXXXX";
    check(close(mkstemp(counter)) == 0, "a file for the sum of memory");
    auto shared = "RES2LAB_PRETEND_SHARED=" + std::string(counter) + " " + small;
    check(again(shared, "take 40000000 beside 40000000").first == 3,
          "the sum of two processes on one device");
    check(again(shared, "take 20000000 beside 20000000").first == 0, "a sum that fits");
    check(again(shared, "take 40000000 killed").first != 0 &&
              again(shared, "take 40000000").first == 0,
          "a killed process holds no memory");
    remove(counter);

    auto keep = at::zeros({1000}, cuda());
    auto stats = at::accelerator::getDeviceStats(0);
    check(stats.allocated_bytes[0].peak >= 4000, "the peak of memory is told");
}

int planted_child(int argc, char** argv) {
    std::string what = argv[1];
    if (what == "visible") {
        std::cout << at::globalContext().hasCUDA() * at::detail::getCUDAHooks().deviceCount()
                  << std::endl;
        return 0;
    }
    if (what == "group") return planted_rank(argc, argv);
    if (what == "counted") return counted_child(false);
    if (what == "counted_graph") return counted_child(true);
    if (what == "touch") return int(*at::ones({1}, cuda()).data_ptr<float>());
    auto bytes = at::TensorOptions(at::kByte).device(cuda());
    std::string how = argc > 3 ? argv[3] : "";
    try {
        auto held = at::empty({atoll(argv[2])}, bytes);
        if (how == "killed") raise(SIGKILL);
        if (how == "beside") return again("A=1", std::string("take ") + argv[4]).first;
    } catch (const c10::OutOfMemoryError&) {
        return 3;
    }
    return 0;
}
