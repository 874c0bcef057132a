// Tensors from and to typed arrays, their properties, scopes and statistics.
#include <ATen/ops/from_blob.h>

#include <cstring>

static napi_typedarray_type typedArrayType(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return napi_float64_array;
    case at::kFloat: return napi_float32_array;
    case at::kLong: return napi_bigint64_array;
    case at::kInt: return napi_int32_array;
    case at::kShort: return napi_int16_array;
    case at::kChar: return napi_int8_array;
    case at::kHalf: case at::kBFloat16: return napi_uint16_array;
    default: return napi_uint8_array;
  }
}

// (typedArray, dtype, shape) -> handle. Zero copy: the tensor borrows the array's memory and keeps the array alive.
static napi_value fromTypedArray(Args& a) {
  a.state->drainReferences();
  napi_typedarray_type type;
  size_t length, offset;
  void* data;
  napi_value buffer;
  if (napi_get_typedarray_info(a.env, a.value[0], &type, &length, &data, &buffer, &offset) != napi_ok)
    throw UsageError{"expected a typed array"};
  const at::ScalarType dtype = parseDType(a.string(1));
  const std::vector<int64_t> shape = a.integers(a.value[2]);
  int64_t elements = 1;
  for (int64_t n : shape) elements *= n;
  if (elements != static_cast<int64_t>(length))
    throw UsageError{"the shape holds " + std::to_string(elements) + " elements, the typed array " + std::to_string(length)};
  if (typedArrayType(dtype) != type && !(type == napi_uint8_clamped_array && dtype == at::kByte))
    throw UsageError{"the typed array's element type does not fit " + dtypeName(dtype)};
  napi_ref ref;
  napi_create_reference(a.env, a.value[0], 1, &ref);
  auto release = [queue = a.state->refs, ref](void*) {
    std::lock_guard<std::mutex> lock(queue->mutex);
    if (!queue->closed) queue->released.push_back(ref);
  };
  return a.js(at::from_blob(data, shape, release, at::TensorOptions().dtype(dtype)));
}

// handle -> typed array, a copy in host memory; half types are widened to float32.
static napi_value toTypedArray(Args& a) {
  at::Tensor t = a.tensor(0).detach();
  if (t.scalar_type() == at::kHalf || t.scalar_type() == at::kBFloat16) t = t.to(at::kFloat);
  t = t.to(at::kCPU).contiguous();
  void* data;
  napi_value buffer, out;
  const size_t bytes = t.nbytes();
  if (napi_create_arraybuffer(a.env, bytes, &data, &buffer) != napi_ok) throw UsageError{"cannot allocate " + std::to_string(bytes) + " bytes"};
  if (bytes) std::memcpy(data, t.data_ptr(), bytes);
  napi_create_typedarray(a.env, typedArrayType(t.scalar_type()), t.numel(), buffer, 0, &out);
  return out;
}

static napi_value item(Args& a) {
  const at::Scalar value = a.tensor(0).item();
  if (value.isBoolean()) return a.js(value.toBool());
  if (value.isIntegral(false)) return a.js(value.toLong());
  return a.js(value.toDouble());
}

static napi_value shape(Args& a) { return a.list(a.tensor(0).sizes().vec()); }
static napi_value stride(Args& a) { return a.list(a.tensor(0).strides().vec()); }
static napi_value dtype(Args& a) { return a.js(dtypeName(a.tensor(0).scalar_type())); }
static napi_value device(Args& a) { return a.js(a.tensor(0).device().str()); }
static napi_value isAlive(Args& a) { return a.js(a.state->find(a.handle(a.value[0])) != nullptr); }

static napi_value dispose(Args& a) {
  for (size_t i = 0; i < a.count; i++) a.state->remove(a.handle(a.value[i]));
  return a.undefined();
}

static napi_value scopeBegin(Args& a) {
  a.state->scopes.emplace_back();
  return a.js(static_cast<int32_t>(a.state->scopes.size()));
}

// (depth, kept handles): frees everything made in the innermost scope but the kept tensors, which move one scope out.
static napi_value scopeEnd(Args& a) {
  Env& env = *a.state;
  const size_t depth = env.scopes.size();
  if (static_cast<size_t>(a.integer(0)) != depth)
    throw UsageError{"tensor scopes must end in the reverse order of their beginning: was one held open across an await?"};
  std::vector<int32_t> owned = std::move(env.scopes.back());
  env.scopes.pop_back();
  const uint32_t kept = a.count > 1 ? a.length(a.value[1]) : 0;
  for (uint32_t k = 0; k < kept; k++) {
    const int32_t handle = a.handle(a.at(a.value[1], k));
    Slot* slot = env.find(handle);
    if (!slot || slot->scope != depth) continue; // a stranger to this scope lives on anyway
    slot->scope = depth - 1;
    if (depth > 1) env.scopes.back().push_back(handle);
    else env.account(slot->accounted = static_cast<int64_t>(slot->tensor.nbytes()));
  }
  for (int32_t handle : owned) {
    const Slot* slot = env.find(handle);
    if (slot && slot->scope == depth) env.remove(handle);
  }
  env.drainReferences();
  return a.undefined();
}

// handle: lives until disposed of, whatever scope it was made in.
static napi_value keep(Args& a) {
  Slot* slot = a.state->find(a.handle(a.value[0]));
  if (!slot) throw UsageError{"cannot keep a tensor that has been disposed"};
  slot->scope = 0;
  return a.undefined();
}

// Live handles, bytes in the distinct storages behind them, and handles ever made.
static napi_value stats(Args& a) {
  std::unordered_set<void*> seen;
  int64_t bytes = 0;
  for (const Slot& slot : a.state->slots) {
    if (!slot.used || !slot.tensor.has_storage()) continue;
    const auto& storage = slot.tensor.storage();
    if (seen.insert(storage.unsafeGetStorageImpl()).second) bytes += static_cast<int64_t>(storage.nbytes());
  }
  napi_value out = a.object();
  a.set(out, "live", a.js(a.state->live));
  a.set(out, "bytes", a.js(bytes));
  a.set(out, "created", a.js(a.state->created));
  a.set(out, "scopes", a.js(static_cast<int32_t>(a.state->scopes.size())));
  return out;
}

static void exportTensor(napi_env env, napi_value exports) {
  define<fromTypedArray>(env, exports, "fromTypedArray");
  define<toTypedArray>(env, exports, "toTypedArray");
  define<item>(env, exports, "item");
  define<shape>(env, exports, "shape");
  define<stride>(env, exports, "stride");
  define<dtype>(env, exports, "dtype");
  define<device>(env, exports, "device");
  define<isAlive>(env, exports, "isAlive");
  define<dispose>(env, exports, "dispose");
  define<scopeBegin>(env, exports, "scopeBegin");
  define<scopeEnd>(env, exports, "scopeEnd");
  define<keep>(env, exports, "keep");
  define<stats>(env, exports, "stats");
}
