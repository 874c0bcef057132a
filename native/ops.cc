// Every operator of the installed libtorch, through the dispatcher's boxed calls: resolve once, convert by schema.
#include <ATen/core/dispatch/Dispatcher.h>

enum class Kind { Tensor, TensorList, Scalar, Int, Float, Bool, String, IntList, FloatList, BoolList, ScalarList, DType, MemoryFormat, Device, Generator, Other };

struct Parameter {
  std::string name;
  Kind kind;
  bool optional;     // None is accepted
  bool optionalItems; // Tensor?[]
  int32_t length;    // of int[n]: a single number is repeated n times
  c10::optional<c10::IValue> fallback;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Parameter> parameters;
  bool returnsSelf = false; // in-place: the result is the very first argument
  std::vector<c10::IValue> stack;
};

static Kind kindOf(const c10::TypePtr& type) {
  using T = c10::TypeKind;
  switch (type->kind()) {
    case T::TensorType: return Kind::Tensor;
    case T::NumberType: return Kind::Scalar;
    case T::IntType: case T::SymIntType: return Kind::Int;
    case T::FloatType: return Kind::Float;
    case T::BoolType: return Kind::Bool;
    case T::StringType: return Kind::String;
    case T::ScalarTypeType: return Kind::DType;
    case T::MemoryFormatType: return Kind::MemoryFormat;
    case T::DeviceObjType: return Kind::Device;
    case T::GeneratorType: return Kind::Generator;
    default: return Kind::Other;
  }
}

static Parameter parameterOf(const c10::Argument& argument) {
  Parameter p{argument.name(), Kind::Other, false, false, 0, argument.default_value()};
  c10::TypePtr type = argument.real_type();
  if (type->kind() == c10::TypeKind::OptionalType) {
    p.optional = true;
    type = type->containedType(0);
  }
  if (type->kind() != c10::TypeKind::ListType) {
    p.kind = kindOf(type);
    return p;
  }
  c10::TypePtr item = type->containedType(0);
  if (item->kind() == c10::TypeKind::OptionalType) {
    p.optionalItems = true;
    item = item->containedType(0);
  }
  if (argument.N()) p.length = *argument.N();
  switch (kindOf(item)) {
    case Kind::Tensor: p.kind = Kind::TensorList; break;
    case Kind::Int: p.kind = Kind::IntList; break;
    case Kind::Float: p.kind = Kind::FloatList; break;
    case Kind::Bool: p.kind = Kind::BoolList; break;
    case Kind::Scalar: p.kind = Kind::ScalarList; break;
    default: p.kind = Kind::Other;
  }
  return p;
}

static at::Scalar scalarOf(Args& a, napi_value v) {
  double number;
  switch (a.typeOf(v)) {
    case napi_boolean: {
      bool flag;
      napi_get_value_bool(a.env, v, &flag);
      return at::Scalar(flag);
    }
    case napi_number:
      napi_get_value_double(a.env, v, &number);
      if (number == static_cast<double>(static_cast<int64_t>(number)) && std::abs(number) < 9e15) return at::Scalar(static_cast<int64_t>(number));
      return at::Scalar(number);
    default: throw UsageError{"expected a number"};
  }
}

static int64_t wholeNumber(Args& a, napi_value v) {
  double number;
  if (napi_get_value_double(a.env, v, &number) != napi_ok || number != std::floor(number)) throw UsageError{"expected a whole number"};
  return static_cast<int64_t>(number);
}

static at::MemoryFormat memoryFormat(const std::string& name) {
  if (name == "contiguous_format") return at::MemoryFormat::Contiguous;
  if (name == "preserve_format") return at::MemoryFormat::Preserve;
  if (name == "channels_last") return at::MemoryFormat::ChannelsLast;
  if (name == "channels_last_3d") return at::MemoryFormat::ChannelsLast3d;
  throw UsageError{"unknown memory format \"" + name + "\""};
}

static c10::IValue convert(Args& a, const Parameter& p, napi_value v) {
  const napi_valuetype type = a.typeOf(v);
  if (type == napi_undefined || (type == napi_null && !p.optional)) {
    if (p.fallback) return *p.fallback;
    if (type == napi_undefined && p.optional) return c10::IValue();
    throw UsageError{"is missing"};
  }
  if (type == napi_null) return c10::IValue();
  switch (p.kind) {
    case Kind::Tensor:
      if (type != napi_number) throw UsageError{"must be a Tensor"};
      return a.state->get(a.handle(v));
    case Kind::TensorList: {
      if (!p.optionalItems) return c10::List<at::Tensor>(a.tensors(v));
      c10::List<c10::optional<at::Tensor>> list;
      for (auto& t : a.tensors(v)) list.push_back(t.defined() ? c10::optional<at::Tensor>(t) : c10::nullopt);
      return list;
    }
    case Kind::Scalar: return scalarOf(a, v);
    case Kind::Int: return wholeNumber(a, v);
    case Kind::Float: {
      double number;
      if (napi_get_value_double(a.env, v, &number) != napi_ok) throw UsageError{"must be a number"};
      return number;
    }
    case Kind::Bool: {
      bool flag;
      if (napi_get_value_bool(a.env, v, &flag) != napi_ok) throw UsageError{"must be true or false"};
      return flag;
    }
    case Kind::String: return a.text(v);
    case Kind::IntList:
      if (type == napi_number) return std::vector<int64_t>(std::max(p.length, 1), wholeNumber(a, v));
      return a.integers(v);
    case Kind::FloatList: {
      std::vector<double> out(a.length(v));
      for (uint32_t k = 0; k < out.size(); k++)
        if (napi_get_value_double(a.env, a.at(v, k), &out[k]) != napi_ok) throw UsageError{"must be a list of numbers"};
      return out;
    }
    case Kind::BoolList: {
      c10::List<bool> out;
      for (uint32_t k = 0; k < a.length(v); k++) {
        bool flag;
        if (napi_get_value_bool(a.env, a.at(v, k), &flag) != napi_ok) throw UsageError{"must be a list of booleans"};
        out.push_back(flag);
      }
      return out;
    }
    case Kind::ScalarList: {
      c10::List<at::Scalar> out;
      for (uint32_t k = 0; k < a.length(v); k++) out.push_back(scalarOf(a, a.at(v, k)));
      return out;
    }
    case Kind::DType: return static_cast<int64_t>(parseDType(a.text(v)));
    case Kind::MemoryFormat: return static_cast<int64_t>(memoryFormat(a.text(v)));
    case Kind::Device: return c10::Device(a.text(v));
    case Kind::Generator: {
      int32_t id;
      if (napi_get_value_int32(a.env, v, &id) != napi_ok || id < 0 || static_cast<size_t>(id) >= a.state->generators.size())
        throw UsageError{"must be a Generator"};
      return a.state->generators[id];
    }
    default: throw UsageError{"has a type this binding does not pass"};
  }
}

static napi_value fromIValue(Args& a, c10::IValue&& v) {
  if (v.isTensor()) return a.js(std::move(v).toTensor());
  if (v.isNone()) return a.null();
  if (v.isBool()) return a.js(v.toBool());
  if (v.isInt()) return a.js(v.toInt());
  if (v.isDouble()) return a.js(v.toDouble());
  if (v.isTensorList()) return a.list(v.toTensorVector());
  if (v.isIntList()) return a.list(v.toIntVector());
  if (v.isString()) return a.js(v.toStringRef());
  throw UsageError{"returns a type this binding does not pass"};
}

// A trailing plain object holds named arguments. Tensors are numbers and lists are arrays, so nothing else looks like it.
static bool isNamedArguments(Args& a) {
  if (!a.count || a.typeOf(a.value[a.count - 1]) != napi_object) return false;
  bool list = false;
  napi_is_array(a.env, a.value[a.count - 1], &list);
  return !list;
}

static void fillStack(Args& a, Operator& op, size_t& current) {
  size_t positional = a.count;
  napi_value named = nullptr;
  if (isNamedArguments(a)) named = a.value[--positional];
  if (positional > op.parameters.size())
    throw UsageError{"takes at most " + std::to_string(op.parameters.size()) + " arguments, got " + std::to_string(positional)};
  const napi_value undefined = a.undefined();
  for (current = 0; current < op.parameters.size(); current++) {
    napi_value v = current < positional ? a.value[current] : undefined;
    if (named && current >= positional) napi_get_named_property(a.env, named, op.parameters[current].name.c_str(), &v);
    op.stack.push_back(convert(a, op.parameters[current], v));
  }
}

static std::string describeInputs(Args& a, const Operator& op) {
  std::string out;
  for (size_t i = 0; i < a.count && i < op.parameters.size(); i++) {
    int32_t handle;
    if (op.parameters[i].kind != Kind::Tensor || napi_get_value_int32(a.env, a.value[i], &handle) != napi_ok) continue;
    const Slot* slot = a.state->find(handle);
    if (slot) out += (out.empty() ? "" : ", ") + op.parameters[i].name + " " + describe(slot->tensor);
  }
  return out;
}

static napi_value callOperator(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Operator& op = *static_cast<Operator*>(a.data);
  size_t current = 0;
  bool filled = false;
  try {
    fillStack(a, op, current);
    filled = true;
    op.handle.callBoxed(&op.stack);
    napi_value out;
    if (op.returnsSelf) {
      out = a.value[0];
    } else if (op.stack.size() == 1) {
      out = fromIValue(a, std::move(op.stack[0]));
    } else if (op.stack.empty()) {
      out = a.undefined();
    } else {
      napi_create_array_with_length(env, op.stack.size(), &out);
      for (size_t k = 0; k < op.stack.size(); k++) napi_set_element(env, out, k, fromIValue(a, std::move(op.stack[k])));
    }
    op.stack.clear();
    return out;
  } catch (const UsageError& e) {
    const bool atArgument = !filled && current < op.parameters.size();
    throwJs(env, "ERR_USAGE", op.name + ": " + (atArgument ? "argument '" + op.parameters[current].name + "' " : "") + e.message);
  } catch (...) {
    rethrow(env, op.name, describeInputs(a, op));
  }
  op.stack.clear(); // keeps no tensor alive after an error
  return nullptr;
}

// ("conv3d", "") -> function, or null when the installed libtorch has no such operator.
static napi_value resolve(Args& a) {
  const std::string name = "aten::" + a.string(0), overload = a.string(1);
  auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) return a.null();
  auto* op = new Operator{*found, overload.empty() ? name : name + "." + overload, {}, false, {}}; // lives as long as the process
  for (const auto& argument : found->schema().arguments()) op->parameters.push_back(parameterOf(argument));
  const auto& arguments = found->schema().arguments();
  const auto& returns = found->schema().returns();
  op->returnsSelf = returns.size() == 1 && returns[0].alias_info() && returns[0].alias_info()->isWrite() && !arguments.empty() &&
      arguments[0].alias_info() && arguments[0].alias_info()->isWrite();
  napi_value function;
  napi_create_function(a.env, op->name.c_str(), NAPI_AUTO_LENGTH, callOperator, op, &function);
  return function;
}

// Every schema as text, for the type generator.
static napi_value schemas(Args& a) {
  std::vector<std::string> out;
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getAllOpNames()) {
    if (name.name.rfind("aten::", 0) != 0) continue;
    if (auto found = dispatcher.findSchema(name)) {
      std::ostringstream text;
      text << found->schema();
      out.push_back(text.str());
    }
  }
  return a.list(std::move(out));
}

static void exportOps(napi_env env, napi_value exports) {
  define<resolve>(env, exports, "resolve");
  define<schemas>(env, exports, "schemas");
}
