// Writes <pid>.json into the folder RES2LAB_PRETEND_REPORT when the process ends.

#include "memory.h"
#include "tally.h"
#include "tape.h"

#include <ATen/autocast_mode.h>

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace pretend {

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        char escaped[8];
        if (c < 0x20) snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else snprintf(escaped, sizeof escaped, "%c", c);
        out += escaped;
    }
    return out + "\"";
}

std::string json(const std::vector<std::string>& list) {
    std::string out = "[";
    for (auto& text : list) out += (out.size() > 1 ? ", " : "") + quoted(text);
    return out + "]";
}

std::string json(const Names& names) {
    std::string out = "{";
    for (auto& [name, n] : names) {
        out += (out.size() > 1 ? ",\n    " : "\n    ") + quoted(name) + ": " + std::to_string(n);
    }
    return out + "}";
}

std::vector<std::string> command_line() {
    std::ifstream file("/proc/self/cmdline");
    std::vector<std::string> words;
    for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    return words;
}

std::string devices() {
    std::string out = "[";
    for (int i = 0; i < device_count(); i++) {
        if (i) out += ",\n    ";
        out += c10::str("{\"index\": ", i, ", \"physical\": ", physical(i), ", \"peak_bytes\": ",
                        peak_bytes(i), ", \"left_bytes\": ", allocated_bytes(i), "}");
    }
    return out + "]";
}

// What a failure should not have left behind in the thread that ends the process.
std::vector<std::string> left_behind() {
    std::vector<std::string> left;
    if (!at::GradMode::is_enabled()) left.push_back("gradients are off");
    if (at::autocast::is_autocast_enabled(c10::kCUDA)) left.push_back("autocast is on");
    if (recording()) left.push_back("a graph is being recorded");
    for (int i = 0; i < device_count(); i++) {
        if (current_stream(i)) left.push_back(c10::str("a foreign current stream of cuda:", i));
    }
    return left;
}

// Each count is the median of its own.
Counts median(const std::vector<Counts>& steps) {
    auto of = [&](int64_t Counts::*field) {
        std::vector<int64_t> values;
        for (auto& step : steps) values.push_back(step.*field);
        std::sort(values.begin(), values.end());
        return values.empty() ? 0 : values[values.size() / 2];
    };
    Counts c;
    for (auto field : {&Counts::operators, &Counts::syncs, &Counts::host_to_device,
                       &Counts::device_to_host, &Counts::device_to_device,
                       &Counts::between_devices, &Counts::format_flips, &Counts::collectives,
                       &Counts::replays, &Counts::bytes, &Counts::peak_bytes}) {
        c.*field = of(field);
    }
    return c;
}

}  // namespace

std::string json(const Counts& c) {
    return c10::str("{\"operators\": ", c.operators, ", \"syncs\": ", c.syncs,
                    ", \"host_to_device\": ", c.host_to_device, ", \"device_to_host\": ",
                    c.device_to_host, ", \"device_to_device\": ", c.device_to_device,
                    ", \"between_devices\": ", c.between_devices, ", \"format_flips\": ",
                    c.format_flips, ", \"collectives\": ", c.collectives, ", \"replays\": ",
                    c.replays, ", \"bytes\": ", c.bytes, ", \"peak_bytes\": ", c.peak_bytes, "}");
}

void write_report() {
    const char* folder = setting("REPORT");
    auto& t = tally();
    std::lock_guard<std::mutex> lock(t.mutex);
    bool used = t.total.operators || t.total.replays || t.total.host_to_device;
    if (!folder || !used) return;
    end_open_step(t);
    for (int i = 0; i < device_count(); i++) {
        t.total.peak_bytes = std::max<int64_t>(t.total.peak_bytes, peak_bytes(i));
    }
    std::ofstream out(c10::str(folder, "/", getpid(), ".json"));
    out << "{\n  \"command\": " << json(command_line()) << ",\n  \"pid\": " << getpid();
    out << ",\n  \"devices\": " << devices() << ",\n  \"left\": " << json(left_behind());
    out << ",\n  \"races\": " << json(t.races) << ",\n  \"whole\": " << json(t.total);
    out << ",\n  \"steps\": " << t.steps.size() << ",\n  \"median_step\": ";
    out << json(median(t.steps)) << ",\n  \"last_step\": ";
    out << json(t.steps.empty() ? Counts() : t.steps.back());
    out << ",\n  \"last_step_names\": " << json(t.last_names) << ",\n  \"names\": ";
    out << json(t.names) << ",\n  \"syncs\": " << json(t.syncs) << ",\n  \"sites\": ";
    out << json(t.sites) << "\n}\n";
}

}  // namespace pretend
