// Shared by all parts: the tensor slab, argument reading, error mapping.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include "compat.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/Generator.h>
#include <c10/util/Exception.h>

#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

// Bad use from JavaScript (wrong argument type, stale handle), as opposed to an error raised inside libtorch.
struct UsageError {
  std::string message;
};

// References to typed arrays whose tensors were freed. Deleters run on any thread; the owning thread drains the list.
struct RefQueue {
  std::mutex mutex;
  std::vector<napi_ref> released;
  bool closed = false;
};

// A tensor's place in the slab. The generation detects a handle that outlived its tensor.
struct Slot {
  at::Tensor tensor;
  uint32_t generation = 1;
  uint32_t scope = 0; // depth of the owning scope, 0 = none
  int64_t accounted = 0;
  bool used = false;
};

// Everything one Node environment (main thread or worker) owns.
struct Env {
  static constexpr uint32_t kSlotBits = 20, kMaxSlots = 1u << kSlotBits, kGenerations = 1u << 11;

  napi_env napi;
  std::vector<Slot> slots;
  std::vector<uint32_t> freeSlots;
  std::vector<std::vector<int32_t>> scopes;
  std::vector<at::Generator> generators;
  std::shared_ptr<RefQueue> refs = std::make_shared<RefQueue>();
  int64_t live = 0, created = 0, pendingExternal = 0;

  static Env*& current() {
    thread_local Env* env = nullptr;
    return env;
  }

  static void open(napi_env napi) {
    auto* env = new Env{napi};
    current() = env;
    napi_add_env_cleanup_hook(
        napi,
        [](void* data) {
          auto* dying = static_cast<Env*>(data);
          {
            std::lock_guard<std::mutex> lock(dying->refs->mutex);
            dying->refs->closed = true;
          }
          if (current() == dying) current() = nullptr;
          delete dying;
        },
        env);
  }

  // Garbage collection does not see native memory. Tensors outside any scope are reported to V8, in steps of 1 MB.
  void account(int64_t bytes) {
    pendingExternal += bytes;
    if (pendingExternal > (1 << 20) || pendingExternal < -(1 << 20)) {
      int64_t total;
      napi_adjust_external_memory(napi, pendingExternal, &total);
      pendingExternal = 0;
    }
  }

  int32_t add(at::Tensor&& tensor) {
    uint32_t index;
    if (!freeSlots.empty()) {
      index = freeSlots.back();
      freeSlots.pop_back();
    } else {
      index = slots.size();
      if (index >= kMaxSlots) throw UsageError{"more than 1,048,576 live tensors: open a tensor scope in the loop that makes them"};
      slots.emplace_back();
    }
    Slot& slot = slots[index];
    slot.tensor = std::move(tensor);
    slot.used = true;
    slot.scope = scopes.size();
    live++;
    created++;
    const int32_t handle = static_cast<int32_t>(slot.generation << kSlotBits | index);
    if (scopes.empty()) {
      slot.accounted = static_cast<int64_t>(slot.tensor.nbytes());
      account(slot.accounted);
    } else {
      scopes.back().push_back(handle);
    }
    return handle;
  }

  Slot* find(int32_t handle) {
    const uint32_t index = static_cast<uint32_t>(handle) & (kMaxSlots - 1), generation = static_cast<uint32_t>(handle) >> kSlotBits;
    if (handle < 0 || index >= slots.size()) return nullptr;
    Slot& slot = slots[index];
    return slot.used && slot.generation == generation ? &slot : nullptr;
  }

  at::Tensor& get(int32_t handle) {
    Slot* slot = find(handle);
    if (!slot) throw UsageError{"the tensor has been disposed: keep it, or return it from its scope, if it must live longer"};
    return slot->tensor;
  }

  void remove(int32_t handle) {
    Slot* slot = find(handle);
    if (!slot) return;
    if (slot->accounted) account(-slot->accounted);
    slot->accounted = 0;
    slot->tensor.reset();
    slot->used = false;
    slot->generation = slot->generation + 1 == kGenerations ? 1 : slot->generation + 1;
    freeSlots.push_back(static_cast<uint32_t>(handle) & (kMaxSlots - 1));
    live--;
  }

  void drainReferences() {
    std::vector<napi_ref> released;
    {
      std::lock_guard<std::mutex> lock(refs->mutex);
      released.swap(refs->released);
    }
    for (napi_ref ref : released) napi_delete_reference(napi, ref);
  }
};

// The arguments of one call.
struct Args {
  static constexpr size_t kMax = 32;
  napi_env env;
  Env* state;
  size_t count = kMax;
  std::array<napi_value, kMax> value;
  void* data = nullptr;

  Args(napi_env env, napi_callback_info info) : env(env), state(Env::current()) {
    napi_get_cb_info(env, info, &count, value.data(), nullptr, &data);
  }

  napi_valuetype typeOf(napi_value v) const {
    napi_valuetype type;
    napi_typeof(env, v, &type);
    return type;
  }
  bool missing(size_t i) const {
    if (i >= count) return true;
    const napi_valuetype type = typeOf(value[i]);
    return type == napi_undefined || type == napi_null;
  }
  int32_t handle(napi_value v) const {
    int32_t handle;
    if (napi_get_value_int32(env, v, &handle) != napi_ok) throw UsageError{"expected a Tensor"};
    return handle;
  }
  at::Tensor& tensor(size_t i) const { return state->get(handle(value[i])); }
  int64_t integer(size_t i) const {
    int64_t out;
    if (napi_get_value_int64(env, value[i], &out) != napi_ok) throw UsageError{"expected a number"};
    return out;
  }
  double number(size_t i) const {
    double out;
    if (napi_get_value_double(env, value[i], &out) != napi_ok) throw UsageError{"expected a number"};
    return out;
  }
  bool boolean(size_t i) const {
    bool out = false;
    if (!missing(i)) napi_get_value_bool(env, value[i], &out);
    return out;
  }
  std::string text(napi_value v) const {
    size_t length = 0;
    if (napi_get_value_string_utf8(env, v, nullptr, 0, &length) != napi_ok) throw UsageError{"expected a string"};
    std::string out(length, '\0');
    napi_get_value_string_utf8(env, v, out.data(), length + 1, &length);
    return out;
  }
  std::string string(size_t i) const { return text(value[i]); }
  std::vector<int64_t> integers(napi_value v) const {
    std::vector<int64_t> out(length(v));
    for (size_t k = 0; k < out.size(); k++) {
      if (napi_get_value_int64(env, at(v, k), &out[k]) != napi_ok) throw UsageError{"expected a list of whole numbers"};
    }
    return out;
  }
  uint32_t length(napi_value list) const {
    uint32_t n = 0;
    if (napi_get_array_length(env, list, &n) != napi_ok) throw UsageError{"expected a list"};
    return n;
  }
  napi_value at(napi_value list, uint32_t k) const {
    napi_value out;
    napi_get_element(env, list, k, &out);
    return out;
  }
  std::vector<at::Tensor> tensors(napi_value list) const {
    std::vector<at::Tensor> out(length(list));
    for (uint32_t k = 0; k < out.size(); k++) {
      napi_value v = at(list, k);
      if (typeOf(v) != napi_null) out[k] = state->get(handle(v));
    }
    return out;
  }

  napi_value js(int32_t v) const { napi_value out; napi_create_int32(env, v, &out); return out; }
  napi_value js(int64_t v) const {
    napi_value out;
    if (v > (int64_t(1) << 53) || v < -(int64_t(1) << 53)) napi_create_bigint_int64(env, v, &out);
    else napi_create_int64(env, v, &out);
    return out;
  }
  napi_value js(double v) const { napi_value out; napi_create_double(env, v, &out); return out; }
  napi_value js(bool v) const { napi_value out; napi_get_boolean(env, v, &out); return out; }
  napi_value js(const std::string& v) const { napi_value out; napi_create_string_utf8(env, v.data(), v.size(), &out); return out; }
  napi_value null() const { napi_value out; napi_get_null(env, &out); return out; }
  napi_value undefined() const { napi_value out; napi_get_undefined(env, &out); return out; }
  napi_value js(at::Tensor&& t) const { return t.defined() ? js(state->add(std::move(t))) : null(); }
  template <typename T> napi_value list(std::vector<T>&& items) const {
    napi_value out;
    napi_create_array_with_length(env, items.size(), &out);
    for (size_t k = 0; k < items.size(); k++) napi_set_element(env, out, k, js(std::move(items[k])));
    return out;
  }
  napi_value object() const { napi_value out; napi_create_object(env, &out); return out; }
  void set(napi_value object, const char* key, napi_value v) const { napi_set_named_property(env, object, key, v); }
};

// Names of element types, PyTorch's.
struct DTypeName {
  const char* name;
  at::ScalarType type;
};
static constexpr DTypeName kDTypes[] = {
    {"float32", at::kFloat}, {"float64", at::kDouble}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}, {"int64", at::kLong},
    {"int32", at::kInt},     {"int16", at::kShort},    {"int8", at::kChar},         {"uint8", at::kByte},   {"bool", at::kBool}};

static at::ScalarType parseDType(const std::string& name) {
  for (const auto& entry : kDTypes)
    if (name == entry.name) return entry.type;
  throw UsageError{"unknown element type \"" + name + "\""};
}
static std::string dtypeName(at::ScalarType type) {
  for (const auto& entry : kDTypes)
    if (type == entry.type) return entry.name;
  return c10::toString(type);
}

static std::string describe(const at::Tensor& t) {
  if (!t.defined()) return "none";
  std::string out = dtypeName(t.scalar_type()) + " (";
  for (int64_t d = 0; d < t.dim(); d++) out += (d ? ", " : "") + std::to_string(t.size(d));
  return out + ") on " + t.device().str();
}

static std::string firstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

static void throwJs(napi_env env, const char* code, const std::string& message, const std::string& detail = "") {
  napi_value text, jsCode, error, jsDetail;
  napi_create_string_utf8(env, message.data(), message.size(), &text);
  napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &jsCode);
  if (std::string(code) == "ERR_USAGE") napi_create_type_error(env, jsCode, text, &error);
  else napi_create_error(env, jsCode, text, &error);
  if (!detail.empty()) {
    napi_create_string_utf8(env, detail.data(), detail.size(), &jsDetail);
    napi_set_named_property(env, error, "detail", jsDetail);
  }
  napi_throw(env, error);
}

// Turns the exception in flight into a JavaScript error. `where` is the operator, `inputs` describes its tensors.
static void rethrow(napi_env env, const std::string& where, const std::string& inputs) {
  const std::string prefix = where.empty() ? "" : where + ": ", suffix = inputs.empty() ? "" : " [" + inputs + "]";
  const auto raise = [&](const char* code, const std::string& what, const std::string& detail = "") {
    throwJs(env, code, prefix + what + suffix, detail);
  };
  try {
    throw;
  } catch (const UsageError& e) {
    raise("ERR_USAGE", e.message);
  } catch (const c10::OutOfMemoryError& e) {
    raise("ERR_TORCH_OOM", firstLine(e.what_without_backtrace()), e.what());
  } catch (const c10::IndexError& e) {
    raise("ERR_TORCH_INDEX", firstLine(e.what_without_backtrace()), e.what());
  } catch (const c10::NotImplementedError& e) {
    raise("ERR_TORCH_NOT_IMPLEMENTED", firstLine(e.what_without_backtrace()), e.what());
  } catch (const c10::Error& e) {
    raise("ERR_TORCH", firstLine(e.what_without_backtrace()), e.what());
  } catch (const std::bad_alloc&) {
    raise("ERR_TORCH_OOM", "out of memory");
  } catch (const std::exception& e) {
    raise("ERR_TORCH", firstLine(e.what()), e.what());
  }
}

template <napi_value (*Function)(Args&)>
static napi_value guarded(napi_env env, napi_callback_info info) {
  Args args(env, info);
  try {
    return Function(args);
  } catch (...) {
    rethrow(env, "", "");
    return nullptr;
  }
}

template <napi_value (*Function)(Args&)>
static void define(napi_env env, napi_value exports, const char* name) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<Function>, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}
