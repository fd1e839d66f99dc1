// The PyTorch wheel has ProcessGroupGloo but not the headers of Gloo that its header includes. These declarations stand
// for them: enough for the compiler, none of it is called from here.

#pragma once

#define USE_DISTRIBUTED
#define USE_C10D_GLOO

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {
class Context {
   public:
    void setTimeout(std::chrono::milliseconds timeout);
};

namespace rendezvous {
class Store {
   public:
    virtual ~Store() = default;
    virtual void set(const std::string& key, const std::vector<char>& value) = 0;
    virtual std::vector<char> get(const std::string& key) = 0;
    virtual void wait(const std::vector<std::string>& keys) = 0;
    virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
};
}  // namespace rendezvous

namespace transport {
class Device;
class UnboundBuffer {
   public:
    virtual ~UnboundBuffer() = 0;
};
}  // namespace transport
}  // namespace gloo
