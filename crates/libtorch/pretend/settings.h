// Environment variables, and which devices this process sees.

#pragma once

#include "common.h"

namespace pretend {

constexpr int MOST_DEVICES = 16;

// RES2LAB_PRETEND_<name>, or nullptr.
const char* setting(const char* name);
size_t setting(const char* name, size_t otherwise);

int device_count();
// The physical device behind a device of this process.
int physical(int device);
// The devices were named by MIG names.
bool is_mig();
void check_device(int device);
c10::Device device_of(int index);

// The device of the calling thread.
int& current_device();
// The index of `device`, or the current one.
int index_of(c10::Device device);

}  // namespace pretend
