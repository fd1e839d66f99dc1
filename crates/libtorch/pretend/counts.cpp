#include "counts.h"

#include "memory.h"
#include "tally.h"
#include "tape.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>

#include <sstream>

namespace pretend {

namespace {

std::atomic<int> syncs_forbidden{0};

Counts difference(Counts a, const Counts& b) {
    a.operators -= b.operators;
    a.syncs -= b.syncs;
    a.host_to_device -= b.host_to_device;
    a.device_to_host -= b.device_to_host;
    a.device_to_device -= b.device_to_device;
    a.between_devices -= b.between_devices;
    a.format_flips -= b.format_flips;
    a.collectives -= b.collectives;
    a.replays -= b.replays;
    a.bytes -= b.bytes;
    return a;
}

void end_step(Tally& t, const Counts& total, const Names& names) {
    Counts step = difference(total, t.before);
    step.peak_bytes = int64_t(take_step_peak());
    t.steps.push_back(step);
    t.last_names.clear();
    for (auto& [name, n] : names) {
        auto before = t.names_before.find(name);
        int64_t more = n - (before == t.names_before.end() ? 0 : before->second);
        if (more) t.last_names[name] = more;
    }
    t.before = total;
    t.names_before = names;
    t.after_sgd = t.after_replay = false;
}

// Offsets in the program's own code from where the host waits, for addr2line -fCe PROGRAM.
std::string site() {
    void* frames[64];
    int n = backtrace(frames, 64), found = 0;
    static auto* program = static_cast<link_map*>(dlopen(nullptr, RTLD_LAZY));
    std::stringstream out;
    for (int i = 1; i < n && found < 8; i++) {
        Dl_info info{};
        if (!dladdr(frames[i], &info)) continue;
        auto base = reinterpret_cast<uintptr_t>(info.dli_fbase);
        bool is_program = base == program->l_addr || info.dli_fname == std::string(program->l_name);
        if (!is_program) continue;
        out << " 0x" << std::hex << reinterpret_cast<uintptr_t>(frames[i]) - base - 1;
        found++;
    }
    return out.str();
}

}  // namespace

Tally& tally() {
    // Never destroyed: threads of libtorch may outlive static objects.
    static auto* it = new Tally;
    return *it;
}

void end_open_step(Tally& t) {
    if (t.after_sgd) end_step(t, t.total, t.names);
    if (t.after_replay) end_step(t, t.at_replay, t.names_at_replay);
}

void count_operator(const char* name, int64_t bytes) {
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    bool is_sgd = strstr(name, "_fused_sgd_");
    if (t.after_sgd && !is_sgd) end_step(t, t.total, t.names);
    if (is_sgd) {
        t.after_sgd = true;
        t.after_replay = false;
    }
    t.total.operators++;
    t.total.bytes += bytes;
    t.names[name]++;
}

void count_copy(const at::Tensor& to, const at::Tensor& from) {
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    if (t.after_sgd) end_step(t, t.total, t.names);
    if (!from.is_cuda()) t.total.host_to_device++;
    else if (!to.is_cuda()) t.total.device_to_host++;
    else t.total.device_to_device++;
    if (from.is_cuda() && to.is_cuda() && from.device() != to.device()) t.total.between_devices++;
    auto last = at::MemoryFormat::ChannelsLast;
    bool is_image = to.dim() == 4 && from.dim() == 4 && to.size(1) > 1;
    // With one pixel or one channel both formats are the same.
    is_image = is_image && to.size(2) * to.size(3) > 1;
    if (is_image && to.is_contiguous(last) != from.is_contiguous(last)) t.total.format_flips++;
}

void count_collective() {
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    t.total.collectives++;
}

void count_replay() {
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    end_open_step(t);
    t.total.replays++;
    t.after_replay = true;
    t.at_replay = t.total;
    t.names_at_replay = t.names;
}

void count_race(const std::string& text) {
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    if (t.races.size() < 100) t.races.push_back(text);
}

void count_sync(const std::string& what) {
    forbid_in_capture(what);
    TORCH_CHECK(!syncs_forbidden, "pretend: the host waits for the device: ", what);
    static const bool wanted = setting("SITES");
    std::string where = wanted ? site() : "";
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    if (t.after_sgd) end_step(t, t.total, t.names);
    t.total.syncs++;
    t.syncs[what]++;
    if (wanted) t.sites[what + where]++;
}

}  // namespace pretend

// For tests: while not 0, a wait of the host for the device throws.
extern "C" __attribute__((visibility("default"))) void res2lab_pretend_forbid_syncs(int forbid) {
    pretend::syncs_forbidden = forbid;
}
