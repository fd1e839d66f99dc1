// Exceptions must not reach Rust: they become messages.

#pragma once

#include <cstring>
#include <exception>

// nullptr, or a message that the caller frees.
template <typename F>
char* guarded(F f) {
    try {
        f();
        return nullptr;
    } catch (const std::exception& e) {
        return strdup(e.what());
    }
}
