// Gradients: backward passes, leaf flags, gradient and inference modes.
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

// (loss, gradient | null, retainGraph, createGraph)
static napi_value backward(Args& a) {
  torch::autograd::variable_list gradients;
  if (!a.missing(1)) gradients.push_back(a.tensor(1));
  torch::autograd::backward({a.tensor(0)}, gradients, a.boolean(2) || a.boolean(3), a.boolean(3));
  return a.undefined();
}

// (outputs, inputs, gradients of outputs | null, retainGraph, createGraph) -> gradient of each input, null where unused
static napi_value gradientsOf(Args& a) {
  torch::autograd::variable_list gradients;
  if (!a.missing(2)) gradients = a.tensors(a.value[2]);
  return a.list(torch::autograd::grad(
      a.tensors(a.value[0]), a.tensors(a.value[1]), gradients, a.boolean(3) || a.boolean(4), a.boolean(4), /*allow_unused=*/true));
}

static napi_value requiresGrad(Args& a) { return a.js(a.tensor(0).requires_grad()); }
static napi_value setRequiresGrad(Args& a) {
  a.tensor(0).set_requires_grad(a.boolean(1));
  return a.undefined();
}
static napi_value isLeaf(Args& a) { return a.js(a.tensor(0).is_leaf()); }

// Replaces what a tensor holds (another device or element type) while its handle, flags and graph role stay.
static napi_value setData(Args& a) {
  a.tensor(0).set_data(a.tensor(1));
  return a.undefined();
}

static napi_value grad(Args& a) {
  at::Tensor gradient = a.tensor(0).grad();
  return a.js(std::move(gradient));
}
static napi_value setGrad(Args& a) {
  a.tensor(0).mutable_grad() = a.missing(1) ? at::Tensor() : a.tensor(1);
  return a.undefined();
}
// Handles of the gradients of many tensors at once; null where there is none.
static napi_value grads(Args& a) {
  std::vector<at::Tensor> out;
  for (const auto& t : a.tensors(a.value[0])) out.push_back(t.grad());
  return a.list(std::move(out));
}
// Gradients become absent, not zero: an optimiser must skip parameters without one.
static napi_value clearGrads(Args& a) {
  for (auto& t : a.tensors(a.value[0])) t.mutable_grad() = at::Tensor();
  return a.undefined();
}

static napi_value isGradEnabled(Args& a) { return a.js(at::GradMode::is_enabled()); }
static napi_value setGradEnabled(Args& a) {
  at::GradMode::set_enabled(a.boolean(0));
  return a.undefined();
}

static thread_local std::vector<std::unique_ptr<c10::InferenceMode>> inferenceGuards;
static napi_value beginInference(Args& a) {
  inferenceGuards.push_back(std::make_unique<c10::InferenceMode>(true));
  return a.undefined();
}
static napi_value endInference(Args& a) {
  if (inferenceGuards.empty()) throw UsageError{"inference mode ended without having begun"};
  inferenceGuards.pop_back();
  return a.undefined();
}

static void exportAutograd(napi_env env, napi_value exports) {
  define<backward>(env, exports, "backward");
  define<gradientsOf>(env, exports, "gradientsOf");
  define<requiresGrad>(env, exports, "requiresGrad");
  define<setRequiresGrad>(env, exports, "setRequiresGrad");
  define<isLeaf>(env, exports, "isLeaf");
  define<setData>(env, exports, "setData");
  define<grad>(env, exports, "grad");
  define<setGrad>(env, exports, "setGrad");
  define<grads>(env, exports, "grads");
  define<clearGrads>(env, exports, "clearGrads");
  define<isGradEnabled>(env, exports, "isGradEnabled");
  define<setGradEnabled>(env, exports, "setGradEnabled");
  define<beginInference>(env, exports, "beginInference");
  define<endInference>(env, exports, "endInference");
}
