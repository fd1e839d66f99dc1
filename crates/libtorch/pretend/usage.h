// How much of each physical device all processes use together.

#pragma once

#include "settings.h"

namespace pretend {

// Adds `bytes` to what this process uses of a physical device unless the sum over all processes
// would exceed `limit`. Returns what the sum is or would be.
size_t add_usage(int physical, size_t bytes, size_t limit, bool* fits);
void remove_usage(int physical, size_t bytes);
// Names the file of the counter, for this process and those that it starts.
void start_usage();

}  // namespace pretend
