// What only libtorch_cuda has: a test may load stand-ins for it (see ../pretend).

#pragma once

#include <dlfcn.h>

// The function `name` of a loaded library, or nullptr.
template <typename Function>
Function stand_in(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}
