// What a process group needs of the pretend device.

#pragma once

#include "late.h"
#include "launch.h"

namespace pretend {

// A stream of its own for the collectives of one group.
class CollectiveStream {
   public:
    explicit CollectiveStream(int device);

    // Queues a collective that comes after the current stream's work. `start` begins it and
    // returns what waits for its end.
    struct Queued {
        std::shared_ptr<Late> late;
        Clock done;
    };
    using Wait = std::function<void()>;
    Queued queue(const char* name, const std::vector<Range>& ranges,
                 const std::function<Wait()>& start);
    int64_t id() const { return stream_id; }

   private:
    int device;
    int64_t stream_id;
    int number;
};

// The current stream of `device` waits for `clock`.
void current_stream_waits(int device, const Clock& clock);
bool host_knows(const Clock& clock);

}  // namespace pretend
