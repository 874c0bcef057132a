// The process around the tensors: autocast, generators, threads, devices, numeric flags.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#if TV >= 211
#include <ATen/DeviceAccelerator.h>
#endif

// (device type, enabled, dtype). Casts are not cached across calls: weights change every step.
static napi_value autocast(Args& a) {
  at::autocast::set_autocast_cache_enabled(false);
  setAutocast(c10::Device(a.string(0)).type(), a.boolean(1), parseDType(a.string(2)));
  return a.undefined();
}

static at::Generator defaultGenerator(const std::string& device) { return at::globalContext().defaultGenerator(c10::Device(device)); }

// (seed, device) -> generator id
static napi_value createGenerator(Args& a) {
  const c10::Device device(a.string(1));
  at::Generator generator = device.is_cpu() ? at::detail::createCPUGenerator() : defaultGenerator(device.str()).clone();
  generator.set_current_seed(static_cast<uint64_t>(a.number(0)));
  a.state->generators.push_back(std::move(generator));
  return a.js(static_cast<int32_t>(a.state->generators.size() - 1));
}
static at::Generator& generatorAt(Args& a) {
  const int64_t id = a.integer(0);
  if (id < 0 || static_cast<size_t>(id) >= a.state->generators.size()) throw UsageError{"expected a Generator"};
  return a.state->generators[id];
}
static napi_value generatorState(Args& a) { return a.js(generatorAt(a).get_state()); }
static napi_value setGeneratorState(Args& a) {
  generatorAt(a).set_state(a.tensor(1));
  return a.undefined();
}
// The default generator serves operators that take none (dropout).
static napi_value seedDefault(Args& a) {
  defaultGenerator(a.string(1)).set_current_seed(static_cast<uint64_t>(a.number(0)));
  return a.undefined();
}
static napi_value defaultGeneratorState(Args& a) { return a.js(defaultGenerator(a.string(0)).get_state()); }
static napi_value setDefaultGeneratorState(Args& a) {
  defaultGenerator(a.string(0)).set_state(a.tensor(1));
  return a.undefined();
}

static napi_value threads(Args& a) { return a.js(static_cast<int32_t>(at::get_num_threads())); }
static napi_value setThreads(Args& a) {
  at::set_num_threads(static_cast<int>(a.integer(0)));
  return a.undefined();
}

static napi_value deviceCount(Args& a) {
#if TV >= 211
  return a.js(static_cast<int32_t>(at::hasCUDA() ? at::accelerator::deviceCount() : 0));
#else
  return a.js(static_cast<int32_t>(at::hasCUDA() ? c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount() : 0));
#endif
}

static napi_value synchronize(Args& a) {
#if TV >= 211
  at::accelerator::synchronizeDevice(c10::Device(a.string(0)).index());
#else
  const c10::impl::VirtualGuardImpl guard(c10::Device(a.string(0)).type());
  guard.synchronizeStream(guard.getStream(c10::Device(a.string(0))));
#endif
  return a.undefined();
}

// device -> {allocated, peak} in bytes, of the caching allocator; null where this libtorch cannot tell.
static napi_value deviceMemory(Args& a) {
#if TV >= 211
  const auto statistics = at::accelerator::getDeviceStats(c10::Device(a.string(0)).index());
  const auto& bytes = statistics.allocated_bytes[0];
  napi_value out = a.object();
  a.set(out, "allocated", a.js(static_cast<int64_t>(bytes.current)));
  a.set(out, "peak", a.js(static_cast<int64_t>(bytes.peak)));
  return out;
#else
  return a.null();
#endif
}

// device -> bytes that nobody uses; null where this libtorch cannot tell.
static napi_value freeDeviceMemory(Args& a) {
#if TV >= 211
  try {
    return a.js(static_cast<int64_t>(at::accelerator::getMemoryInfo(c10::Device(a.string(0)).index()).first));
  } catch (const c10::NotImplementedError&) {
    return a.null();
  }
#else
  return a.null();
#endif
}

// TF32 in matrix products and convolutions on CUDA; cuDNN autotuning; deterministic algorithms.
static napi_value setFlag(Args& a) {
  const std::string name = a.string(0);
  const bool on = a.boolean(1);
  auto& context = at::globalContext();
  if (name == "tf32") {
    context.setAllowTF32CuBLAS(on);
    context.setAllowTF32CuDNN(on);
  } else if (name == "cudnn_benchmark") {
    context.setBenchmarkCuDNN(on);
  } else if (name == "deterministic") {
    context.setDeterministicAlgorithms(on, /*warn_only=*/false);
  } else if (name == "mkldnn") {
    context.setUserEnabledMkldnn(on);
  } else {
    throw UsageError{"unknown flag \"" + name + "\": tf32, cudnn_benchmark, deterministic, mkldnn"};
  }
  return a.undefined();
}

static napi_value version(Args& a) { return a.js(std::string(TORCH_VERSION)); }

static void exportRuntime(napi_env env, napi_value exports) {
  define<autocast>(env, exports, "autocast");
  define<createGenerator>(env, exports, "createGenerator");
  define<generatorState>(env, exports, "generatorState");
  define<setGeneratorState>(env, exports, "setGeneratorState");
  define<seedDefault>(env, exports, "seedDefault");
  define<defaultGeneratorState>(env, exports, "defaultGeneratorState");
  define<setDefaultGeneratorState>(env, exports, "setDefaultGeneratorState");
  define<threads>(env, exports, "threads");
  define<setThreads>(env, exports, "setThreads");
  define<deviceCount>(env, exports, "deviceCount");
  define<synchronize>(env, exports, "synchronize");
  define<deviceMemory>(env, exports, "deviceMemory");
  define<freeDeviceMemory>(env, exports, "freeDeviceMemory");
  define<setFlag>(env, exports, "setFlag");
  define<version>(env, exports, "version");
}
