#include "settings.h"

#include <sstream>

namespace pretend {

const char* setting(const char* name) {
    const char* text = getenv((std::string("RES2LAB_PRETEND_") + name).c_str());
    return text && *text ? text : nullptr;
}

size_t setting(const char* name, size_t otherwise) {
    const char* text = setting(name);
    return text ? strtoull(text, nullptr, 10) : otherwise;
}

namespace {

struct Visible {
    std::vector<int> physical;
    bool mig = false;
};

bool starts_with(const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
}

// The physical device that an entry names, or -1.
long named(const std::string& entry, int count) {
    bool is_name = starts_with(entry, "MIG-") || starts_with(entry, "GPU-");
    // The stub of nvidia-smi calls device i GPU-pretend-i.
    size_t digits = is_name ? entry.rfind('-') + 1 : 0;
    char* end = nullptr;
    long number = strtol(entry.c_str() + digits, &end, 10);
    bool is_number = digits < entry.size() && *end == 0;
    return is_number && number < count ? number : -1;
}

// CUDA's rules for CUDA_VISIBLE_DEVICES: the list ends at the first entry that names no device
// (so "" and "-1" hide all), a device named twice hides all, and one MIG instance is seen.
Visible find_visible() {
    Visible found;
    int count = std::min<size_t>(setting("GPUS", 1), MOST_DEVICES);
    const char* text = getenv("CUDA_VISIBLE_DEVICES");
    if (!text) {
        for (int i = 0; i < count; i++) found.physical.push_back(i);
        return found;
    }
    std::stringstream entries(text);
    for (std::string entry; std::getline(entries, entry, ',');) {
        long number = named(entry, count);
        if (number < 0) break;
        auto& list = found.physical;
        if (std::find(list.begin(), list.end(), number) != list.end()) return {};
        list.push_back(int(number));
        if (starts_with(entry, "MIG-")) {
            found.mig = true;
            break;
        }
    }
    return found;
}

const Visible& visible() {
    // Never destroyed: the report is written after static objects are gone.
    static const auto& found = *new Visible(find_visible());
    return found;
}

}  // namespace

int device_count() { return int(visible().physical.size()); }
int physical(int device) { return visible().physical.at(device); }
bool is_mig() { return visible().mig; }

void check_device(int device) {
    TORCH_CHECK(device >= 0 && device < device_count(), "CUDA error: invalid device ordinal (",
                device, " of ", device_count(), ", pretend)");
}

c10::Device device_of(int index) { return c10::Device(c10::kCUDA, c10::DeviceIndex(index)); }

int& current_device() {
    static thread_local int current = 0;
    return current;
}

int index_of(c10::Device device) {
    return device.has_index() ? device.index() : current_device();
}

}  // namespace pretend
