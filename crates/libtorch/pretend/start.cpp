// What has to be done when the library is loaded.

#include "devices.h"
#include "memory.h"
#include "tally.h"
#include "usage.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

namespace pretend {

namespace {

struct sigaction earlier_action;

// Says what happened before the process dies of it.
void fault(int signal, siginfo_t* info, void*) {
    if (is_device_pointer(info->si_addr)) {
        const char text[] = "pretend: the host touched device memory\n";
        if (write(2, text, sizeof text - 1) < 0) _exit(1);
        void* frames[40];
        backtrace_symbols_fd(frames, backtrace(frames, 40), 2);
        ::signal(signal, SIG_DFL);
        return;
    }
    // The fault happens again, and is somebody else's.
    sigaction(signal, &earlier_action, nullptr);
}

void handle_faults() {
    // Loads what backtrace needs, for within the handler nothing may be loaded.
    void* frame;
    backtrace(&frame, 1);
    is_device_pointer(nullptr);
    struct sigaction action {};
    action.sa_sigaction = &fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &earlier_action);
}

int started = [] {
    if (dlopen("libtorch_cuda.so", RTLD_NOLOAD | RTLD_NOW)) {
        fprintf(stderr, "pretend: libtorch_cuda is loaded, which registers the same things\n");
        _exit(2);
    }
    c10::SetAllocator(c10::kCUDA, &device_allocator());
    handle_faults();
    start_usage();
    atexit(write_report);
    return 0;
}();

}  // namespace

}  // namespace pretend

// The name of a device, as cudaGetDeviceProperties tells it.
extern "C" __attribute__((visibility("default"))) const char* res2lab_pretend_device_name(int) {
    return "Pretend GPU";
}
