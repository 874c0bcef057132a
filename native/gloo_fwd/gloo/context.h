// libtorch ships ProcessGroupGloo.hpp without the headers of Gloo that it includes. The addon only constructs that class and
// calls its virtual functions, for which declarations of the types it mentions suffice.
#pragma once
#include <chrono>
#include <memory>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
namespace transport {
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};
} // namespace transport
} // namespace gloo
