// CUDA graphs: work that was recorded once and is launched in one piece. Recording is libtorch's own, whose class is found at
// run time in the CUDA library that libtorch has brought along: no CUDA header is needed, and nothing is linked.
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>

// Identity of the memory that recorded work computes in.
using GraphMemory = std::pair<unsigned long long, unsigned long long>;

// at::cuda::CUDAGraph, and what else recording needs.
struct CudaGraphs {
  void (*construct)(void* graph, bool keepsDescription);
  void (*destroy)(void* graph);
  void (*begin)(void* graph, GraphMemory, int mode);
  void (*end)(void* graph);
  void (*replay)(void* graph);
  GraphMemory (*newMemory)();
  int (*beginStreamCapture)(void* stream, int mode);
};
// Nothing but recording may happen on the device meanwhile.
static constexpr int kGlobalCapture = 0;

// Null with the reason where there are none.
static const CudaGraphs* cudaGraphs(std::string& reason) {
#if TV >= 213
  static std::string missing;
  static const std::unique_ptr<CudaGraphs> found = []() -> std::unique_ptr<CudaGraphs> {
    if (!at::hasCUDA()) {
      missing = "this libtorch has no CUDA, or there is no CUDA device";
      return nullptr;
    }
    void* library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
    auto out = std::make_unique<CudaGraphs>();
    const auto find = [&](auto& function, const char* name) {
      function = library ? reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name)) : nullptr;
      if (!function) missing = "this libtorch has no function " + std::string(name);
      return function != nullptr;
    };
    const bool complete = find(out->construct, "_ZN2at4cuda9CUDAGraphC1Eb") && find(out->destroy, "_ZN2at4cuda9CUDAGraphD1Ev") &&
        find(out->begin, "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode") &&
        find(out->end, "_ZN2at4cuda9CUDAGraph11capture_endEv") && find(out->replay, "_ZN2at4cuda9CUDAGraph6replayEv") &&
        find(out->newMemory, "_ZN2at4cuda17graph_pool_handleEv") && find(out->beginStreamCapture, "cudaStreamBeginCapture");
    return complete ? std::move(out) : nullptr;
  }();
  reason = missing;
  return found.get();
#else
  reason = "CUDA graphs need libtorch 2.13, this is " TORCH_VERSION;
  return nullptr;
#endif
}

// -> why there are no CUDA graphs, or null
static napi_value cudaGraphsMissing(Args& a) {
  std::string reason;
  return cudaGraphs(reason) ? a.null() : a.js(reason);
}

#if TV >= 213
static const CudaGraphs& needCudaGraphs() {
  std::string reason;
  const CudaGraphs* api = cudaGraphs(reason);
  if (!api) throw UsageError{reason};
  return *api;
}

// A stream beside the usual one, which recording needs, and memory that its graphs share.
struct Recorder {
  c10::Stream side, usual;
  GraphMemory memory{0, 0};
};

// A graph lies in a buffer much larger than the class has ever been (0.5 KB).
struct Graph {
  std::unique_ptr<std::array<std::max_align_t, 512>> object = std::make_unique<std::array<std::max_align_t, 512>>();
  c10::Stream side;
  void* get() { return object->data(); }
};

static thread_local auto& recorders = *new std::vector<std::unique_ptr<Recorder>>;
static thread_local auto& graphs = *new std::vector<std::unique_ptr<Graph>>;

template <typename T> static T& elementAt(std::vector<std::unique_ptr<T>>& list, int64_t id) {
  if (id < 0 || static_cast<size_t>(id) >= list.size() || !list[id]) throw UsageError{"the CUDA graph has been disposed"};
  return *list[id];
}

// Makes one stream wait for what the other has been given so far.
static void follow(const c10::Stream& second, const c10::Stream& first) {
  c10::Event reached(first.device_type());
  reached.record(first);
  reached.block(second);
}

// device -> recorder
static napi_value openRecorder(Args& a) {
  needCudaGraphs();
  const c10::Device device(a.string(0));
  const c10::impl::VirtualGuardImpl streams(device.type());
  const c10::Stream usual = streams.getStream(device);
  recorders.push_back(std::make_unique<Recorder>(Recorder{streams.getStreamFromGlobalPool(device), usual}));
  return a.js(static_cast<int32_t>(recorders.size() - 1));
}

// What follows is queued on the recorder's stream.
static napi_value enterRecorder(Args& a) {
  Recorder& recorder = elementAt(recorders, a.integer(0));
  const c10::impl::VirtualGuardImpl streams(recorder.side.device_type());
  recorder.usual = streams.getStream(recorder.side.device());
  follow(recorder.side, recorder.usual);
  streams.exchangeStream(recorder.side);
  return a.undefined();
}

static napi_value leaveRecorder(Args& a) {
  Recorder& recorder = elementAt(recorders, a.integer(0));
  c10::impl::VirtualGuardImpl(recorder.side.device_type()).exchangeStream(recorder.usual);
  follow(recorder.usual, recorder.side);
  return a.undefined();
}

// Memory that no graph needs any more goes back to the device.
static napi_value closeRecorder(Args& a) {
  const c10::DeviceGuard guard(elementAt(recorders, a.integer(0)).side.device());
  recorders[a.integer(0)].reset();
  at::accelerator::emptyCache();
  return a.undefined();
}

// (entered recorder, in memory of its own rather than the last graph's) -> graph: what follows is recorded, not done
static napi_value beginGraph(Args& a) {
  const CudaGraphs& api = needCudaGraphs();
  Recorder& recorder = elementAt(recorders, a.integer(0));
  if (a.boolean(1)) recorder.memory = api.newMemory();
  const c10::DeviceGuard guard(recorder.side.device());
  at::accelerator::synchronizeDevice(recorder.side.device_index());
  at::accelerator::emptyCache();
  auto graph = std::make_unique<Graph>(Graph{.side = recorder.side});
  api.construct(graph->get(), false);
  try {
    api.begin(graph->get(), recorder.memory, kGlobalCapture);
  } catch (...) {
    graph->object.release(); // the allocator may refer to it
    throw;
  }
  graphs.push_back(std::move(graph));
  return a.js(static_cast<int32_t>(graphs.size() - 1));
}

static napi_value endGraph(Args& a) {
  const CudaGraphs& api = needCudaGraphs();
  Graph& graph = elementAt(graphs, a.integer(0));
  const c10::DeviceGuard guard(graph.side.device());
  try {
    api.end(graph.get());
  } catch (...) {
    // The stream does not record any more, but libtorch's allocator and generators may believe so. Ending an empty recording in
    // its place tells them; where that fails too, they already know.
    if (api.beginStreamCapture(graph.side.native_handle(), kGlobalCapture) != 0) {
      graph.object.release(); // the allocator still refers to it
      throw;
    }
    try {
      api.end(graph.get());
    } catch (...) {
    }
    throw;
  }
  return a.undefined();
}

// Queues the recorded work on the current stream.
static napi_value replayGraph(Args& a) {
  Graph& graph = elementAt(graphs, a.integer(0));
  const c10::DeviceGuard guard(graph.side.device());
  needCudaGraphs().replay(graph.get());
  return a.undefined();
}

static napi_value closeGraph(Args& a) {
  Graph& graph = elementAt(graphs, a.integer(0));
  const c10::DeviceGuard guard(graph.side.device());
  at::accelerator::synchronizeDevice(graph.side.device_index());
  if (graph.object) needCudaGraphs().destroy(graph.get());
  graphs[a.integer(0)].reset();
  return a.undefined();
}
#endif

static void exportCudaGraph(napi_env env, napi_value exports) {
  define<cudaGraphsMissing>(env, exports, "cudaGraphsMissing");
#if TV >= 213
  define<openRecorder>(env, exports, "openRecorder");
  define<enterRecorder>(env, exports, "enterRecorder");
  define<leaveRecorder>(env, exports, "leaveRecorder");
  define<closeRecorder>(env, exports, "closeRecorder");
  define<beginGraph>(env, exports, "beginGraph");
  define<endGraph>(env, exports, "endGraph");
  define<replayGraph>(env, exports, "replayGraph");
  define<closeGraph>(env, exports, "closeGraph");
#endif
}
