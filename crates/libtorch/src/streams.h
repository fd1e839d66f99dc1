// Streams of a GPU in the words of c10, so that nothing but libtorch_cpu has to be linked.

#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

inline c10::impl::VirtualGuardImpl& gpu() {
    static c10::impl::VirtualGuardImpl guard{c10::DeviceType::CUDA};
    return guard;
}

inline c10::Stream current_stream() { return gpu().getStream(gpu().getDevice()); }

// A stream beside the default one.
inline c10::Stream side_stream() { return gpu().getStreamFromGlobalPool(gpu().getDevice()); }

// What `who` is given from here on runs after what `for_whom` has been given so far.
inline void wait(c10::Stream who, c10::Stream for_whom) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(for_whom);
    event.block(who);
}
