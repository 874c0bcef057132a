// The one translation unit of the addon: header parsing is the whole cost of the build, so everything is compiled at once.
#include "common.h"

#include "tensor.cc"
#include "ops.cc"
#include "autograd.cc"
#include "runtime.cc"

#include <malloc.h>

static napi_value init(napi_env env, napi_value exports) {
  Env::open(env);
#if defined(__GLIBC__)
  // Large tensors come and go every step. With glibc's defaults each one is a fresh mmap (page faults cost 3-4 % of a
  // step), with very high thresholds memory is never given back: these values keep both small.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
#endif
  exportTensor(env, exports);
  exportOps(env, exports);
  exportAutograd(env, exports);
  exportRuntime(env, exports);
  return exports;
}

NAPI_MODULE(visioncore, init)
