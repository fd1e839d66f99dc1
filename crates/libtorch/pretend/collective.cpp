#include "nccl.h"

#include "counts.h"
#include "tape.h"

namespace pretend {

CollectiveStream::CollectiveStream(int device) : device(device), stream_id(new_stream(false)) {
    std::lock_guard<std::mutex> lock(world());
    number = stream_number(device, stream_id);
}

CollectiveStream::Queued CollectiveStream::queue(const char* name,
                                                 const std::vector<Range>& ranges,
                                                 const std::function<Wait()>& start) {
    int current = current_stream_number(device);
    Tape* tape = tape_of(device);
    {
        std::lock_guard<std::mutex> lock(world());
        clock_of(number).join(clock_of(current));
        if (tape) tape->streams.insert(number);
    }
    auto place = launch_on(number, name, ranges);
    Queued queued;
    {
        std::lock_guard<std::mutex> lock(world());
        queued.done = clock_of(number);
    }
    count_collective();
    if (tape) {
        for (auto& range : ranges) {
            if (range.writes) tape->keep(reinterpret_cast<void*>(range.from));
        }
        tape->add([start] { start()(); });
        return queued;
    }
    auto late = std::make_shared<Late>();
    late->kind = Late::COLLECTIVE;
    late->stream = place.stream;
    late->time = place.time;
    late->device = ranges;
    late->work = start();
    queued.late = late;
    add_late(late);
    return queued;
}

void current_stream_waits(int device, const Clock& clock) {
    std::lock_guard<std::mutex> lock(world());
    clock_of(stream_number(device, current_stream(device))).join(clock);
}

bool host_knows(const Clock& clock) {
    std::lock_guard<std::mutex> lock(world());
    return host_clock().covers(clock);
}

}  // namespace pretend
