// copy_ between devices and the host.

#include "call.h"
#include "counts.h"
#include "devices.h"
#include "late.h"
#include "tape.h"

namespace pretend {

namespace {

const char* name_of(const at::Tensor& self, const at::Tensor& from) {
    if (!from.is_cuda()) return "copy_ from the host";
    return self.is_cuda() ? "copy_" : "copy_ to the host";
}

// The bytes are copied as they are, so that no temporary tensor stands between.
bool is_plain(const at::Tensor& self, const at::Tensor& from) {
    return self.scalar_type() == from.scalar_type() && self.sizes() == from.sizes() &&
           self.strides() == from.strides() && self.is_non_overlapping_and_dense();
}

std::vector<Range> together(std::vector<Range> a, const std::vector<Range>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

void copy_now(const at::Tensor& to, const at::Tensor& from) {
    Below below;
    at::Tensor(to).copy_(from);
}

void copy_on_device(const at::Tensor& self, const at::Tensor& from) {
    int from_device = from.get_device(), to_device = self.get_device();
    int from_stream = current_stream_number(from_device);
    int to_stream = current_stream_number(to_device);
    auto ranges = together(ranges_of(from, false), ranges_of(self, true));
    // As CUDA does it: on the stream of the source, and both devices wait for each other.
    if (from_stream != to_stream) wait_for_stream(from_stream, to_stream);
    launch_on(from_stream, "copy_", ranges);
    if (from_stream != to_stream) wait_for_stream(to_stream, from_stream);
    auto to_host = over(self), from_host = over(from);
    if (Tape* tape = tape_of(from_device)) {
        tape->keep(self.storage().data());
        tape->add([=] { copy_now(to_host, from_host); });
    }
    copy_now(to_host, from_host);
    int64_t bytes = self.numel() * self.element_size() + from.numel() * from.element_size();
    count_operator("copy_", bytes);
}

struct Host {
    uintptr_t from = 0, to = 0;
    explicit Host(const at::Tensor& t) {
        for (auto& range : ranges_of(t, false)) {
            from = range.from;
            to = range.to;
        }
    }
};

std::shared_ptr<Late> make_late(Late::Kind kind, const Launch& place, const at::Tensor& host) {
    auto late = std::make_shared<Late>();
    late->kind = kind;
    late->stream = place.stream;
    late->time = place.time;
    Host range(host);
    late->host_from = range.from;
    late->host_to = range.to;
    return late;
}

// Copies of pinned memory with non_blocking: queued, not done.
void copy_late(const at::Tensor& self, const at::Tensor& from, const Launch& place) {
    if (self.is_cuda()) {
        auto late = make_late(Late::TO_DEVICE, place, from);
        late->device = ranges_of(self, true);
        // `from` must not be held: its owner may free it.
        auto alias = at::from_blob(from.data_ptr(), from.sizes(), from.strides(), from.options());
        late->work = [to = over(self), alias] { copy_now(to, alias); };
        add_late(std::move(late));
        return;
    }
    auto late = make_late(Late::TO_HOST, place, self);
    Below below;
    // The device reads now; what the host sees changes only when it has waited.
    auto plain = self.options().pinned_memory(false);
    auto staged = at::empty_strided(self.sizes(), self.strides(), plain);
    staged.copy_(over(from));
    memset(self.data_ptr(), 0xff, self.numel() * self.element_size());
    auto alias = at::from_blob(self.data_ptr(), self.sizes(), self.strides(), self.options());
    late->work = [alias, staged] { copy_now(alias, staged); };
    add_late(std::move(late));
}

void copy_across(const at::Tensor& self, const at::Tensor& from, bool non_blocking) {
    bool to_device = self.is_cuda();
    auto& host = to_device ? from : self;
    auto& device = to_device ? self : from;
    const char* name = name_of(self, from);
    int index = device.get_device();
    bool pinned = is_pinned(host.storage().data()) && is_plain(self, from);
    Tape* tape = tape_of(index);
    if (tape && !pinned) tape->spoiled = true;
    TORCH_CHECK(!tape || pinned, "CUDA error: operation not permitted when stream is capturing ",
                "(pretend: a copy of pageable memory)");
    // The driver waits at a copy into pageable memory, whatever it was told.
    bool waits = !non_blocking || (!pinned && !to_device);
    if (waits) forbid_in_capture(name);
    if (pinned) {
        Host range(host);
        before_copy_of(range.from, range.to);
    }
    auto place = launch(name, index, ranges_of(device, to_device));
    if (tape) {
        if (to_device) tape->keep(device.storage().data());
        auto to = to_device ? over(self) : self, source = to_device ? from : over(from);
        tape->add([=] { copy_now(to, source); });
    } else if (pinned && !waits) {
        copy_late(self, from, place);
    } else {
        copy_now(to_device ? over(self) : self, to_device ? from : over(from));
    }
    if (waits) host_waits_for_stream(index, name);
}

at::Tensor& copy_(at::Tensor& self, const at::Tensor& from, bool non_blocking) {
    if (self.is_same(from)) return self;
    if (self.numel() == 0) return self;
    auto source = from.sizes() == self.sizes() ? from : from.expand(self.sizes());
    if (self.is_cuda() && source.is_cuda()) copy_on_device(self, source);
    else copy_across(self, source, non_blocking);
    count_copy(self, source);
    return self;
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) { m.impl("copy_", &copy_); }

}  // namespace

}  // namespace pretend
