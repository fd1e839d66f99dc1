// What counts.cpp gathers and report.cpp writes.

#pragma once

#include "counts.h"

namespace pretend {

using Names = std::map<std::string, int64_t>;

struct Tally {
    std::mutex mutex;
    Counts total;
    // At the end of the last step.
    Counts before;
    Names names;
    Names names_before;
    // Of the last step.
    Names last_names;
    std::vector<Counts> steps;
    Names syncs;
    Names sites;
    std::vector<std::string> races;
    bool after_sgd = false;
    // A replay ends a step, unless fused SGD follows before the next.
    bool after_replay = false;
    Counts at_replay;
    Names names_at_replay;
};

Tally& tally();
// Ends a step that is complete. `mutex` must be locked.
void end_open_step(Tally& tally);
std::string json(const Counts& counts);
void write_report();

}  // namespace pretend
