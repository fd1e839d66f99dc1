// Faults that the pretend device must show, and things that it must allow: one line for each.

#include "planted.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

namespace {

int checks = 0, failures = 0;
std::string program;

std::string first_line(const std::string& text) {
    return text.substr(0, std::min(text.find('\n'), size_t(150)));
}

c10::impl::VirtualGuardImpl& gpu() {
    static c10::impl::VirtualGuardImpl it{c10::DeviceType::CUDA};
    return it;
}

void wait(c10::Stream who, c10::Stream for_whom) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(for_whom);
    event.block(who);
}

}  // namespace

void check(bool good, const std::string& what, const std::string& detail) {
    std::cout << (good ? "ok      " : "FAILED  ") << what;
    if (!detail.empty()) std::cout << ": " << first_line(detail);
    std::cout << std::endl;
    checks++;
    failures += !good;
}

void refused(const std::string& what, const std::string& text, const std::function<void()>& f) {
    std::string message = "nothing was thrown";
    try {
        f();
    } catch (const std::exception& error) {
        message = error.what();
    }
    check(message.find(text) != std::string::npos, "refused: " + what, message);
}

void allowed(const std::string& what, const std::function<void()>& f) {
    std::string message;
    try {
        f();
    } catch (const std::exception& error) {
        message = error.what();
    }
    check(message.empty(), "allowed: " + what, message);
}

int killed_by(const std::function<void()>& f) {
    pid_t child = fork();
    if (child) {
        int status = 0;
        waitpid(child, &status, 0);
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    if (!freopen("/dev/null", "w", stderr)) _exit(1);
    f();
    _exit(0);
}

std::pair<int, std::string> again(const std::string& environment, const std::string& arguments) {
    auto command = "env " + environment + " " + program + " " + arguments + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string output;
    for (int c; (c = fgetc(pipe)) != EOF;) output += char(c);
    int status = pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, output};
}

bool close(const at::Tensor& a, const at::Tensor& b, double relative, double absolute) {
    auto x = a.cpu().to(at::kDouble), y = b.cpu().to(at::kDouble);
    return x.sizes() == y.sizes() && at::allclose(x, y, relative, absolute);
}

at::Device cuda(int index) { return at::Device(at::kCUDA, c10::DeviceIndex(index)); }

void forbid_syncs(bool forbid) {
    auto function = dlsym(RTLD_DEFAULT, "res2lab_pretend_forbid_syncs");
    reinterpret_cast<void (*)(int)>(function)(forbid);
}

Stream::Stream(int device) : stream(gpu().getStreamFromGlobalPool(cuda(device))) {}

void Stream::run(const std::function<void()>& f) const {
    c10::StreamGuard guard(stream);
    f();
}

void Stream::wait_for_default() const {
    wait(stream, gpu().getDefaultStream(stream.device()));
}

void Stream::default_waits() const { wait(gpu().getDefaultStream(stream.device()), stream); }

int main(int argc, char** argv) {
    program = argv[0];
    if (argc > 1) return planted_child(argc, argv);
    planted_devices();
    planted_memory();
    planted_streams();
    planted_copies();
    planted_graph();
    planted_kernels();
    planted_networks();
    planted_counts();
    planted_group();
    std::cout << checks << " checks, " << failures << " failed" << std::endl;
    return failures != 0;
}
