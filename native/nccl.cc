// NCCL, for exchanging tensors between GPUs: the functions of its C interface, found at run time in the library that
// libtorch has brought along. Nothing is linked, so the addon is the same with and without CUDA.
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <dlfcn.h>
#include <thread>

// The parts of nccl.h that are needed; its values have not changed since version 2.0.
struct NcclId {
  char bytes[128];
};
using NcclComm = void*;
static constexpr int kNcclSuccess = 0, kNcclInProgress = 7, kNcclSum = 0;

struct Nccl {
  int (*getUniqueId)(NcclId*);
  int (*commInitRank)(NcclComm*, int world, NcclId, int rank);
  int (*commDestroy)(NcclComm);
  int (*commAbort)(NcclComm);
  int (*commGetAsyncError)(NcclComm, int* state);
  const char* (*getErrorString)(int);
  int (*allReduce)(const void* from, void* to, size_t count, int type, int op, NcclComm, void* stream);
  int (*broadcast)(const void* from, void* to, size_t count, int type, int root, NcclComm, void* stream);
};

// Null where there is none, or where this libtorch does not tell the stream that it works on.
static const Nccl* nccl() {
#if TV >= 213
  static const std::unique_ptr<Nccl> found = []() -> std::unique_ptr<Nccl> {
    // Wheels have a library of its own; in other builds it is a part of libtorch_cuda.
    void* library = nullptr;
    for (const char* name : {"libnccl.so.2", "libtorch_cuda.so"}) {
      library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
      if (library && dlsym(library, "ncclAllReduce")) break;
      library = nullptr;
    }
    if (!library) return nullptr;
    auto out = std::make_unique<Nccl>();
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    const bool complete = find(out->getUniqueId, "ncclGetUniqueId") && find(out->commInitRank, "ncclCommInitRank") &&
        find(out->commDestroy, "ncclCommDestroy") && find(out->commAbort, "ncclCommAbort") &&
        find(out->commGetAsyncError, "ncclCommGetAsyncError") && find(out->getErrorString, "ncclGetErrorString") &&
        find(out->allReduce, "ncclAllReduce") && find(out->broadcast, "ncclBroadcast");
    return complete ? std::move(out) : nullptr;
  }();
  return found.get();
#else
  return nullptr;
#endif
}

static void checkNccl(int result) {
  if (result != kNcclSuccess && result != kNcclInProgress) throw std::runtime_error(std::string("NCCL: ") + nccl()->getErrorString(result));
}

static int ncclType(at::ScalarType type) {
  switch (type) {
    case at::kChar: return 0;
    case at::kByte: case at::kBool: return 1;
    case at::kInt: return 2;
    case at::kLong: return 4;
    case at::kHalf: return 6;
    case at::kFloat: return 7;
    case at::kDouble: return 8;
    case at::kBFloat16: return 9;
    default: throw UsageError{"NCCL does not exchange " + dtypeName(type)};
  }
}

static thread_local auto& comms = *new std::vector<NcclComm>;

static NcclComm& commAt(Args& a) {
  const int64_t id = a.integer(0);
  if (id < 0 || static_cast<size_t>(id) >= comms.size() || !comms[id]) throw UsageError{"the NCCL communicator has been closed"};
  return comms[id];
}

static napi_value hasNccl(Args& a) { return a.js(nccl() != nullptr); }

// -> a new identity, in hexadecimal digits, for rank 0 to pass on
static napi_value ncclUniqueId(Args& a) {
  if (!nccl()) throw UsageError{"there is no NCCL"};
  NcclId id;
  checkNccl(nccl()->getUniqueId(&id));
  std::string text;
  for (const char byte : id.bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return a.js(text);
}

// (identity, rank, processes, device) -> communicator
static napi_value openNccl(Args& a) {
  const std::string text = a.string(0);
  NcclId id;
  if (!nccl() || text.size() != 2 * sizeof id.bytes) throw UsageError{"there is no NCCL, or not this identity"};
  for (size_t i = 0; i < sizeof id.bytes; i++) id.bytes[i] = static_cast<char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  const c10::DeviceGuard guard(c10::Device(a.string(3)));
  NcclComm comm = nullptr;
  checkNccl(nccl()->commInitRank(&comm, static_cast<int>(a.integer(2)), id, static_cast<int>(a.integer(1))));
  comms.push_back(comm);
  return a.js(static_cast<int32_t>(comms.size() - 1));
}

// Queues an exchange behind what the device is doing and waits for it: a peer that is gone would block the device for ever.
template <typename Exchange> static void exchange(NcclComm& comm, const at::Tensor& tensor, double seconds, Exchange body) {
#if TV >= 213
  const c10::DeviceGuard guard(tensor.device());
  const c10::Stream stream = c10::impl::VirtualGuardImpl(tensor.device().type()).getStream(tensor.device());
  checkNccl(body(stream.native_handle()));
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!stream.query()) {
    int state = kNcclSuccess;
    checkNccl(nccl()->commGetAsyncError(comm, &state));
    const bool late = std::chrono::steady_clock::now() > end, failed = state != kNcclSuccess && state != kNcclInProgress;
    if (late || failed) {
      nccl()->commAbort(comm);
      comm = nullptr;
      if (failed) checkNccl(state);
      throw std::runtime_error("NCCL: the operation timed out");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
#endif
}

// (communicator, contiguous tensor on its device, seconds): the sum, in place
static napi_value ncclAllReduce(Args& a) {
  NcclComm& comm = commAt(a);
  const at::Tensor& t = a.tensor(1);
  exchange(comm, t, a.number(2), [&](void* stream) {
    return nccl()->allReduce(t.data_ptr(), t.data_ptr(), t.numel(), ncclType(t.scalar_type()), kNcclSum, comm, stream);
  });
  return a.undefined();
}

// (communicator, contiguous tensor on its device, seconds): rank 0's values to all, in place
static napi_value ncclBroadcast(Args& a) {
  NcclComm& comm = commAt(a);
  const at::Tensor& t = a.tensor(1);
  exchange(comm, t, a.number(2), [&](void* stream) {
    return nccl()->broadcast(t.data_ptr(), t.data_ptr(), t.numel(), ncclType(t.scalar_type()), 0, comm, stream);
  });
  return a.undefined();
}

static napi_value closeNccl(Args& a) {
  checkNccl(nccl()->commDestroy(commAt(a)));
  commAt(a) = nullptr;
  return a.undefined();
}

static void exportNccl(napi_env env, napi_value exports) {
  define<hasNccl>(env, exports, "hasNccl");
  define<ncclUniqueId>(env, exports, "ncclUniqueId");
  define<openNccl>(env, exports, "openNccl");
  define<ncclAllReduce>(env, exports, "ncclAllReduce");
  define<ncclBroadcast>(env, exports, "ncclBroadcast");
  define<closeNccl>(env, exports, "closeNccl");
}
