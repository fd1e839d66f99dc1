// Every operator, copy and collective passes here before it runs: it takes its place in the
// order of its stream, and is refused if that order does not keep it apart from the others.

#pragma once

#include "memory.h"

namespace pretend {

struct Launch {
    int device;
    int stream;
    Time time;
    const char* by;
};

// An operation on the current stream of `device` that uses `ranges`. `by` lives for ever.
Launch launch(const char* by, int device, const std::vector<Range>& ranges);
// The same on a given stream.
Launch launch_on(int stream, const char* by, const std::vector<Range>& ranges);
// More that the same operation uses: its results.
void launch_more(const Launch& launch, const std::vector<Range>& ranges);

// What comes on `stream` happens after what is on `other` now.
void wait_for_stream(int stream, int other);
int current_stream_number(int device);

// The memory of a tensor of a device; empty without elements.
std::vector<Range> ranges_of(const at::Tensor& tensor, bool writes);

// A copy of `text` that lives for ever, the same for equal texts.
const char* kept_text(const std::string& text);

}  // namespace pretend
