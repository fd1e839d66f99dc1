// What a CUDA graph is to the shim: work that is recorded once and then launched as a whole.
#pragma once
struct Recording {
    virtual ~Recording() = default;
    // Work of the current stream is recorded from here on, and not run.
    virtual void begin() = 0;
    virtual void end() = 0;
    virtual void replay() = 0;
};
