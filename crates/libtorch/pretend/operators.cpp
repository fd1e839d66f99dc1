// Any operator: the CPU's kernel on the device's memory.

#include "call.h"
#include "counts.h"
#include "devices.h"
#include "late.h"
#include "tape.h"

#include <unordered_set>

namespace pretend {

namespace {

using NameSet = std::unordered_set<std::string>;

// The size of the result, or the result itself, is needed by the host.
const NameSet WAITS{"aten::_local_scalar_dense", "aten::nonzero",  "aten::masked_select",
                    "aten::bincount",            "aten::_unique2", "aten::unique_dim",
                    "aten::unique_consecutive",  "aten::equal",    "aten::is_nonzero",
                    "aten::repeat_interleave"};

// Indices may lie in main memory.
const NameSet TAKES_HOST{"aten::index", "aten::_index_put_impl_", "aten::index_put_",
                         "aten::_unsafe_index"};

// What the schema of an operator says, once for each.
struct Operator {
    const char* name;
    bool waits;
    bool takes_host;
    bool is_view;
    // For each argument.
    std::vector<bool> writes;
    // The position of the generator of random numbers, or -1.
    int generator = -1;

    explicit Operator(const c10::FunctionSchema& schema) {
        name = kept_text(schema.name());
        waits = WAITS.count(schema.name()) > 0;
        takes_host = TAKES_HOST.count(schema.name()) > 0;
        auto& returns = schema.returns();
        auto* alias = returns.empty() ? nullptr : returns[0].alias_info();
        is_view = alias && !alias->isWrite();
        for (auto& argument : schema.arguments()) {
            auto* info = argument.alias_info();
            // Batch norm's kernels change these without saying so.
            bool statistics = argument.name() == "running_mean" || argument.name() == "running_var";
            writes.push_back((info && info->isWrite()) || statistics);
            if (argument.type()->str().find("Generator") != std::string::npos) {
                generator = int(writes.size()) - 1;
            }
        }
    }
};

const Operator& described(const c10::OperatorHandle& op) {
    static std::mutex mutex;
    static auto* all = new std::unordered_map<c10::OperatorName, Operator>;
    std::lock_guard<std::mutex> lock(mutex);
    return all->try_emplace(op.operator_name(), op.schema()).first->second;
}

template <typename F>
c10::IValue each_tensor(const c10::IValue& value, F f) {
    if (value.isTensor()) return f(value.toTensor());
    if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& t : value.toTensorVector()) list.push_back(f(t));
        return list;
    }
    if (value.isOptionalTensorList()) {
        c10::List<std::optional<at::Tensor>> list;
        for (const std::optional<at::Tensor>& t : value.toOptionalTensorVector()) {
            list.push_back(t ? std::optional<at::Tensor>(f(*t)) : std::nullopt);
        }
        return list;
    }
    return value;
}

// Puts the CPU's tensors in place of the device's.
void enter(const Operator& it, torch::jit::Stack* stack, size_t first, Call& call) {
    for (size_t i = first; i < stack->size(); i++) {
        auto& value = (*stack)[i];
        if (value.isDevice() && value.toDevice().is_cuda()) {
            if (call.device < 0) call.device = index_of(value.toDevice());
            value = c10::Device(c10::kCPU);
            continue;
        }
        bool writes = it.writes[i - first];
        value = each_tensor(value, [&](auto& t) { return call.argument(t, writes); });
    }
    TORCH_CHECK(call.device >= 0, "pretend: ", it.name, " without a device");
    check_device(call.device);
}

// The host has to know where a mask is true.
bool has_mask(const torch::jit::Stack& stack, size_t first) {
    bool any = false;
    for (size_t i = first; i < stack.size(); i++) {
        if (!stack[i].isOptionalTensorList()) continue;
        for (const std::optional<at::Tensor>& t : stack[i].toOptionalTensorVector()) {
            any |= t && t->defined() && t->scalar_type() == at::kBool;
        }
    }
    return any;
}

// A number of the host may stand beside tensors of a device. Returns whether there are indices of
// the host, which have to be copied.
bool check_host_arguments(const Operator& it, const Call& call) {
    bool any = false;
    for (auto& t : call.on_host) {
        TORCH_CHECK(t.dim() == 0 || it.takes_host,
                    "Expected all tensors to be on the same device, but found at least two ",
                    "devices, cuda:", call.device, " and cpu! (pretend: ", it.name, ")");
        any |= t.dim() > 0;
    }
    return any;
}

void choose_generator(const Operator& it, torch::jit::Stack* stack, size_t first, int device) {
    if (it.generator < 0) return;
    auto& value = (*stack)[first + it.generator];
    auto& own = default_generator(device);
    if (value.isNone()) value = own;
    Tape* tape = tape_of(device);
    if (!tape || value.toGenerator() == own) return;
    tape->spoiled = true;
    TORCH_CHECK(false, "Attempt to increase offset for a CUDA generator not in capture mode. ",
                "(pretend: ", it.name, ")");
}

bool is_part_of(const at::Tensor& t, const torch::jit::Stack& arguments) {
    bool found = false;
    for (auto& argument : arguments) {
        each_tensor(argument, [&](const at::Tensor& one) {
            found |= one.defined() && t.storage().is_alias_of(one.storage());
            return one;
        });
    }
    return found;
}

// Again the same kernel on the same memory.
void replay(const c10::OperatorHandle& op, torch::jit::Stack arguments,
            const std::vector<at::Tensor>& results) {
    Below below;
    torch::jit::Stack stack = arguments;
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
    size_t next = 0;
    for (auto& value : stack) {
        each_tensor(value, [&](const at::Tensor& t) {
            bool is_fresh = t.defined() && !is_part_of(t, arguments);
            if (is_fresh) at::Tensor(results.at(next++)).copy_(t);
            return t;
        });
    }
}

void record(Tape& tape, const c10::OperatorHandle& op, torch::jit::Stack arguments, Call& call) {
    std::vector<at::Tensor> results;
    for (auto& t : call.fresh) results.push_back(over(t));
    tape.add([op, arguments = std::move(arguments), results = std::move(results)] {
        replay(op, arguments, results);
    });
}

void run(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    auto& it = described(op);
    size_t first = stack->size() - op.schema().arguments().size();
    Below below;
    Call call;
    enter(it, stack, first, call);
    bool waits = it.waits | check_host_arguments(it, call);
    if (it.takes_host) waits |= has_mask(*stack, first);
    c10::DeviceGuard guard(device_of(call.device));
    choose_generator(it, stack, first, call.device);

    Launch place{};
    Tape* tape = it.is_view ? nullptr : tape_of(call.device);
    torch::jit::Stack arguments;
    if (!it.is_view) {
        auto ranges = call.ranges();
        place = launch(it.name, call.device, ranges);
        if (tape) {
            for (auto& range : ranges) {
                if (range.writes) tape->keep(reinterpret_cast<void*>(range.from));
            }
            arguments.assign(stack->begin() + first, stack->end());
        }
    }
    if (waits) host_waits_for_stream(call.device, it.name);

    InKernel in_kernel;
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
    call.follow_resized();
    for (size_t i = stack->size() - op.schema().returns().size(); i < stack->size(); i++) {
        auto& value = (*stack)[i];
        value = each_tensor(value, [&](const at::Tensor& t) { return call.result(t); });
    }
    bool only_views = call.has_views && call.fresh.empty();
    if (it.is_view || only_views) return;
    std::vector<Range> made;
    for (auto& t : call.fresh) {
        for (auto& range : ranges_of(t, true)) made.push_back(range);
    }
    launch_more(place, made);
    count_operator(it.name, call.bytes);
    if (tape) record(*tape, op, std::move(arguments), call);
}

torch::CppFunction boxed() { return torch::CppFunction::makeFromBoxedFunction<&run>(); }

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(boxed()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
    // These have a kernel for all devices, which would choose algorithms that only CUDA has; on
    // a GPU each is one of cuDNN's.
    m.impl("convolution", boxed());
    m.impl("convolution_backward", boxed());
    // These too; theirs takes the list apart, while CUDA's kernel does the whole list at once.
    for (auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
        if (name.name.rfind("aten::_foreach_", 0) != 0) continue;
        auto op = c10::Dispatcher::singleton().findSchema(name);
        // Those with an `out` list call the others.
        bool is_out = name.overload_name.find("out") != std::string::npos;
        if (!op || is_out || op->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) continue;
        std::string full = name.name.substr(6);
        if (!name.overload_name.empty()) full += "." + name.overload_name;
        m.impl(full.c_str(), boxed());
    }
}

}  // namespace

}  // namespace pretend
