// The one translation unit of the addon: header parsing is the whole cost of the build, so everything is compiled at once.
#include "common.h"

#include "allocator.cc"
#include "tensor.cc"
#include "ops.cc"
#include "autograd.cc"
#include "runtime.cc"
#include "mapping.cc"
#include "gather.cc"
#include "distributed.cc"
#include "nccl.cc"
#include "cuda-graph.cc"

static napi_value init(napi_env env, napi_value exports) {
  Env::open(env);
  exportAllocator(env, exports);
  exportTensor(env, exports);
  exportOps(env, exports);
  exportAutograd(env, exports);
  exportRuntime(env, exports);
  exportMapping(env, exports);
  exportGather(env, exports);
  exportDistributed(env, exports);
  exportNccl(env, exports);
  exportCudaGraph(env, exports);
  return exports;
}

NAPI_MODULE(visioncore, init)
