// How the checks of planted*.cpp are written and counted.

#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>

// A line for each check; false makes the program fail.
void check(bool good, const std::string& what, const std::string& detail = "");
// `f` throws, with `text` in its message.
void refused(const std::string& what, const std::string& text, const std::function<void()>& f);
// `f` throws nothing.
void allowed(const std::string& what, const std::function<void()>& f);
// The signal that ends a process doing `f`, or 0.
int killed_by(const std::function<void()>& f);
// This program again with `arguments` and the variables `environment` (A=1 B=2): its exit status
// and its standard output.
std::pair<int, std::string> again(const std::string& environment, const std::string& arguments);

bool close(const at::Tensor& a, const at::Tensor& b, double relative = 1e-5,
           double absolute = 1e-6);
at::Device cuda(int index = 0);
void forbid_syncs(bool forbid);

// Runs `f` with another stream of a device as the current one.
struct Stream {
    explicit Stream(int device = 0);
    void run(const std::function<void()>& f) const;
    // What comes on this stream happens after what is on the default stream now, and the opposite.
    void wait_for_default() const;
    void default_waits() const;
    c10::Stream stream;
};

void planted_devices();
void planted_memory();
void planted_streams();
void planted_copies();
void planted_graph();
void planted_group();
void planted_kernels();
void planted_networks();
void planted_counts();
// The part of a process that `again` started.
int planted_child(int argc, char** argv);
int planted_rank(int argc, char** argv);
int counted_child(bool with_graph);
