// Counts of what the device did, for the report.

#pragma once

#include "settings.h"

namespace pretend {

struct Counts {
    // Views and empty tensors are no operators; one `_foreach_` or `_fused_` call is one.
    int64_t operators = 0;
    int64_t syncs = 0;
    int64_t host_to_device = 0;
    int64_t device_to_host = 0;
    int64_t device_to_device = 0;
    // Those of device_to_device that have two devices.
    int64_t between_devices = 0;
    // Copies of images from NCHW to channels_last or back.
    int64_t format_flips = 0;
    int64_t collectives = 0;
    int64_t replays = 0;
    // Of tensors that operators read and wrote.
    int64_t bytes = 0;
    int64_t peak_bytes = 0;
};

void count_operator(const char* name, int64_t bytes);
// A copy between two tensors, at least one of a device.
void count_copy(const at::Tensor& to, const at::Tensor& from);
void count_collective();
void count_replay();
void count_race(const std::string& text);
// The host waits for the device. Throws where that is forbidden.
void count_sync(const std::string& what);

}  // namespace pretend
