// Several processes: a key-value store that one of them serves, and Gloo for exchanging CPU tensors (c10d). Every call
// waits for the other processes and gives up after a number of seconds.
#include <ATen/ops/empty_like.h>
#include <c10/util/Logging.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <thread>

#if __has_include(<torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>)
#define HAS_C10D 1
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

static napi_value hasProcessGroups(Args& a) {
#ifdef HAS_C10D
  return a.js(true);
#else
  return a.js(false);
#endif
}

#ifdef HAS_C10D
// What a thread has open; a number in JavaScript is an index here. Never destroyed: a group that lost a peer would wait for
// it at the exit of the process.
static thread_local auto& stores = *new std::vector<c10::intrusive_ptr<c10d::Store>>;
static thread_local auto& groups = *new std::vector<c10::intrusive_ptr<c10d::ProcessGroupGloo>>;

static std::chrono::milliseconds seconds(Args& a, size_t i) {
  return std::chrono::milliseconds(static_cast<int64_t>(a.number(i) * 1000));
}

template <typename T> static T& opened(std::vector<T>& list, int64_t id, const char* what) {
  if (id < 0 || static_cast<size_t>(id) >= list.size() || !list[id]) throw UsageError{std::string(what) + " has been closed"};
  return list[id];
}

// (host, port, whether to serve it, seconds) -> store
static napi_value openStore(Args& a) {
  // Warnings of c10d come with stack traces, about failures that are explained better elsewhere.
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);
  c10::initLogging();
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(a.integer(1));
  options.isServer = a.boolean(2);
  options.waitWorkers = false;
  options.timeout = seconds(a, 3);
  stores.push_back(c10::make_intrusive<c10d::TCPStore>(a.string(0), options));
  return a.js(static_cast<int32_t>(stores.size() - 1));
}

// A stopped server never answers, and the store's simple requests wait without limit: they run in a thread that may be left.
template <typename Result> static Result answered(std::chrono::milliseconds limit, std::function<Result()> request) {
  auto task = std::make_shared<std::packaged_task<Result()>>(std::move(request));
  std::future<Result> answer = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  if (answer.wait_for(limit) != std::future_status::ready) throw std::runtime_error("the store does not answer");
  return answer.get();
}

// (store, key, text, seconds)
static napi_value storeSet(Args& a) {
  const std::string text = a.string(2);
  answered<bool>(seconds(a, 3), [store = opened(stores, a.integer(0), "the store"), key = a.string(1), text] {
    store->set(key, std::vector<uint8_t>(text.begin(), text.end()));
    return true;
  });
  return a.undefined();
}

// (store, keys, seconds) -> the text of each, null where none has been set
static napi_value storeGet(Args& a) {
  std::vector<std::string> keys;
  for (uint32_t k = 0; k < a.length(a.value[1]); k++) keys.push_back(a.text(a.at(a.value[1], k)));
  using Texts = std::vector<std::pair<bool, std::string>>;
  const Texts texts = answered<Texts>(seconds(a, 2), [store = opened(stores, a.integer(0), "the store"), keys] {
    Texts found;
    for (const std::string& key : keys) {
      const bool isSet = store->check({key});
      const std::vector<uint8_t> value = isSet ? store->get(key) : std::vector<uint8_t>();
      found.emplace_back(isSet, std::string(value.begin(), value.end()));
    }
    return found;
  });
  napi_value out;
  napi_create_array_with_length(a.env, texts.size(), &out);
  for (size_t k = 0; k < texts.size(); k++) napi_set_element(a.env, out, k, texts[k].first ? a.js(texts[k].second) : a.null());
  return out;
}

static napi_value closeStore(Args& a) {
  opened(stores, a.integer(0), "the store").reset();
  return a.undefined();
}

// (store, prefix of its keys, rank, processes, this machine's address, seconds) -> group
static napi_value openGroup(Args& a) {
  auto options = c10d::ProcessGroupGloo::Options::create(seconds(a, 5));
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(a.string(4)));
  auto store = c10::make_intrusive<c10d::PrefixStore>(a.string(1), opened(stores, a.integer(0), "the store"));
  const int rank = static_cast<int>(a.integer(2)), world = static_cast<int>(a.integer(3));
  groups.push_back(c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, world, options));
  return a.js(static_cast<int32_t>(groups.size() - 1));
}

// Old versions of Gloo divide by the size of what they exchange.
static bool isEmpty(Args& a) { return a.tensor(1).numel() == 0; }

static c10d::ProcessGroupGloo& groupOf(Args& a) { return *opened(groups, a.integer(0), "the process group"); }

// (group, contiguous CPU tensor, whether to take the maximum instead of the sum, seconds), in place
static napi_value allReduce(Args& a) {
  std::vector<at::Tensor> tensors{a.tensor(1)};
  c10d::AllreduceOptions options;
  options.reduceOp = a.boolean(2) ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
  options.timeout = seconds(a, 3);
  if (!isEmpty(a)) groupOf(a).allreduce(tensors, options)->wait(seconds(a, 3));
  return a.undefined();
}

// (group, contiguous CPU tensor, seconds): rank 0's values to all, in place
static napi_value broadcast(Args& a) {
  std::vector<at::Tensor> tensors{a.tensor(1)};
  c10d::BroadcastOptions options;
  options.timeout = seconds(a, 2);
  if (!isEmpty(a)) groupOf(a).broadcast(tensors, options)->wait(seconds(a, 2));
  return a.undefined();
}

// (group, contiguous CPU tensor, processes, seconds) -> the tensors of all ranks, which have one shape
static napi_value allGather(Args& a) {
  std::vector<at::Tensor> inputs{a.tensor(1)};
  std::vector<std::vector<at::Tensor>> outputs(1);
  for (int64_t rank = 0; rank < a.integer(2); rank++) outputs[0].push_back(at::empty_like(inputs[0]));
  c10d::AllgatherOptions options;
  options.timeout = seconds(a, 3);
  if (!isEmpty(a)) groupOf(a).allgather(outputs, inputs, options)->wait(seconds(a, 3));
  return a.list(std::move(outputs[0]));
}

static napi_value closeGroup(Args& a) {
  opened(groups, a.integer(0), "the process group").reset();
  return a.undefined();
}
#endif

static void exportDistributed(napi_env env, napi_value exports) {
  define<hasProcessGroups>(env, exports, "hasProcessGroups");
#ifdef HAS_C10D
  define<openStore>(env, exports, "openStore");
  define<storeSet>(env, exports, "storeSet");
  define<storeGet>(env, exports, "storeGet");
  define<closeStore>(env, exports, "closeStore");
  define<openGroup>(env, exports, "openGroup");
  define<allReduce>(env, exports, "allReduce");
  define<broadcast>(env, exports, "broadcast");
  define<allGather>(env, exports, "allGather");
  define<closeGroup>(env, exports, "closeGroup");
#endif
}
