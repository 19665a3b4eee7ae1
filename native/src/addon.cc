// The addon's functions, as the JavaScript of @tensorflow/tfjs-node-gpu asks for them of its binding, and a few of our own. TensorFlow is
// loaded when load() says where it is; until then nothing but load() works.
#include <node_api.h>

#include <algorithm>
#include <cstring>

#include "arguments.h"
#include "context.h"
#include "execute.h"
#include "fused/tiles.h"
#include "inputs.h"
#include "kernels.h"
#include "parallel.h"
#include "record.h"
#include "values.h"

using namespace tensorflow_c;

namespace {

bool started(napi_env env) {
  if (context().eager != nullptr) return true;
  values::fail(env, "TensorFlow was not started");
  return false;
}

bool texts(napi_env env, napi_value list, const char* what, const char* each, std::vector<std::string>* out) {
  uint32_t count = 0;
  if (!values::length(env, list, what, &count)) return false;
  out->resize(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value one;
    if (!values::ok(env, napi_get_element(env, list, i, &one), each)) return false;
    if (!values::text(env, one, each, &(*out)[i])) return false;
  }
  return true;
}

// load(libraries: string[], config: Uint8Array, chains: Uint8Array, threads: number, cuda: string[], device: string): TensorFlow's version,
// whether NVIDIA's driver is here, and the first of the libraries `cuda` that cannot be loaded: { version, driver, missing }. `chains`: the
// configuration for functions made of chains; `threads`: of the fused ops' loops.
napi_value Load(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  std::vector<std::string> libraries, cuda;
  if (!argumentsOf(env, info, 6, arguments)) return nullptr;
  if (!texts(env, arguments[0], "the libraries", "a library", &libraries)) return nullptr;
  Config config, chains;
  if (!values::bytes(env, arguments[1], "the configuration", &config.data, &config.size)) return nullptr;
  if (!values::bytes(env, arguments[2], "the chains' configuration", &chains.data, &chains.size)) return nullptr;
  int64_t threads = 1;
  if (!values::integer(env, arguments[3], "the number of threads", &threads)) return nullptr;
  if (!texts(env, arguments[4], "CUDA's libraries", "a library of CUDA's", &cuda)) return nullptr;
  std::string device;
  if (!values::text(env, arguments[5], "the device", &device)) return nullptr;
  // TensorFlow asks the loader for them by name alone, and finds those that are loaded already.
  const bool driver = loadGlobally("libcuda.so.1").empty();
  std::string missing;
  for (size_t i = 0; driver && missing.empty() && i < cuda.size(); i++) missing = loadGlobally(cuda[i]);
  const bool first = !isLoaded();
  const int cores = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, 256)));
  std::string problem = load(libraries, cores);
  if (problem.empty() && first) problem = registerFused();
  if (problem.empty()) parallel::setThreads(cores);
  if (problem.empty()) problem = startContext(config, chains, device);
  if (!problem.empty()) {
    values::fail(env, problem);
    return nullptr;
  }
  napi_value facts, there;
  napi_create_object(env, &facts);
  napi_get_boolean(env, driver, &there);
  napi_set_named_property(env, facts, "version", values::ofText(env, TF_Version()));
  napi_set_named_property(env, facts, "driver", there);
  napi_set_named_property(env, facts, "missing", values::ofText(env, missing));
  return facts;
}

// devices(): { name, type, memory }[], of which `used` is the one that ops run on; `amx`: it is a processor, on whose
// matrix unit our products are computed.
napi_value Devices(napi_env env, napi_callback_info) {
  if (!started(env)) return nullptr;
  napi_value list;
  napi_create_array(env, &list);
  uint32_t at = 0;
  for (const Device& device : context().devices) {
    const bool isUsed = device.name == context().device;
    napi_value one, used, amx;
    napi_create_object(env, &one);
    napi_get_boolean(env, isUsed, &used);
    napi_get_boolean(env, isUsed && !context().elsewhere && device.type == "CPU" && tiles::found(), &amx);
    napi_set_named_property(env, one, "amx", amx);
    napi_set_named_property(env, one, "name", values::ofText(env, device.name));
    napi_set_named_property(env, one, "type", values::ofText(env, device.type));
    napi_set_named_property(env, one, "memory", values::ofInteger(env, device.memory));
    napi_set_named_property(env, one, "used", used);
    napi_set_element(env, list, at++, one);
  }
  return list;
}

// createTensor(shape, dtype, values: typed array): its number. The values are copied.
napi_value CreateTensor(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  std::vector<int64_t> shape;
  int64_t type = 0;
  const void* data = nullptr;
  size_t size = 0;
  if (!argumentsOf(env, info, 3, arguments) || !started(env)) return nullptr;
  if (!values::integers(env, arguments[0], "the shape", &shape)) return nullptr;
  if (!values::integer(env, arguments[1], "the type", &type)) return nullptr;
  if (type == kString || type == kResource) {
    values::fail(env, "tensors of texts are not supported");
    return nullptr;
  }
  if (!values::bytes(env, arguments[2], "the values", &data, &size)) return nullptr;
  const size_t each = type > 0 && type < 1000 ? TF_DataTypeSize(static_cast<int>(type)) : 0;
  if (each == 0) {
    values::fail(env, "there is no type of numbers " + std::to_string(type));
    return nullptr;
  }
  double count = 1;
  for (const int64_t length : shape) {
    if (length < 0) {
      values::fail(env, "a shape has no negative lengths");
      return nullptr;
    }
    count *= static_cast<double>(length);
  }
  if (count * static_cast<double>(each) != static_cast<double>(size)) {
    values::fail(env, "the values have " + std::to_string(size) + " bytes, which is not what the shape asks for");
    return nullptr;
  }
  TF_Tensor* tensor = TF_AllocateTensor(static_cast<int>(type), shape.data(), static_cast<int>(shape.size()), size);
  if (tensor == nullptr || (size > 0 && TF_TensorData(tensor) == nullptr)) {
    values::fail(env, "there is no memory for a tensor of " + std::to_string(size) + " bytes");
    return nullptr;
  }
  if (size > 0) std::memcpy(TF_TensorData(tensor), data, size);
  Status status;
  TFE_TensorHandle* handle = TFE_NewTensorHandle(tensor, status.get());
  TF_DeleteTensor(tensor);
  if (status.ok() && context().elsewhere && type != kInt32) {
    TFE_TensorHandle* moved = TFE_TensorHandleCopyToDevice(handle, context().eager, context().device.c_str(), status.get());
    TFE_DeleteTensorHandle(handle);
    handle = moved;
  }
  if (!status.ok()) {
    values::fail(env, status.message());
    return nullptr;
  }
  return values::ofInteger(env, context().add(handle));
}

napi_value DeleteTensor(napi_env env, napi_callback_info info) {
  int64_t id = 0;
  TFE_TensorHandle* handle = tensorArgument(env, info, &id);
  if (handle == nullptr) return nullptr;
  TFE_DeleteTensorHandle(handle);
  context().tensors.erase(id);
  return nullptr;
}

// tensorDataSync(id): a copy of its values, as a typed array of its type.
napi_value TensorData(napi_env env, napi_callback_info info) {
  int64_t id = 0;
  TFE_TensorHandle* handle = tensorArgument(env, info, &id);
  if (handle == nullptr) return nullptr;
  napi_typedarray_type kind = napi_uint8_array;
  size_t each = 1;
  switch (TFE_TensorHandleDataType(handle)) {
    case kFloat:
    case kComplex64:
      kind = napi_float32_array;
      each = 4;
      break;
    case kInt32:
      kind = napi_int32_array;
      each = 4;
      break;
    case kInt64:
      kind = napi_bigint64_array;
      each = 8;
      break;
    case kBfloat16:
    case kHalf:
      kind = napi_uint16_array;
      each = 2;
      break;
    case kBool:
    case kUint8:
      break;
    default:
      values::fail(env, "values of this type cannot be read");
      return nullptr;
  }
  Status status;
  TF_Tensor* tensor = TFE_TensorHandleResolve(handle, status.get());
  if (!status.ok()) {
    values::fail(env, status.message());
    return nullptr;
  }
  const size_t size = TF_TensorByteSize(tensor);
  void* target = nullptr;
  napi_value buffer, result = nullptr;
  if (values::ok(env, napi_create_arraybuffer(env, size, &target, &buffer), "memory for the values")) {
    if (size > 0) std::memcpy(target, TF_TensorData(tensor), size);
    values::ok(env, napi_create_typedarray(env, kind, size / each, buffer, 0, &result), "the values");
  }
  TF_DeleteTensor(tensor);
  return result;
}

// describeTensor(id): { dtype, shape }.
napi_value DescribeTensor(napi_env env, napi_callback_info info) {
  napi_value result, shape;
  int64_t id = 0;
  TFE_TensorHandle* handle = tensorArgument(env, info, &id);
  if (handle == nullptr) return nullptr;
  Status status;
  const int dimensions = TFE_TensorHandleNumDims(handle, status.get());
  if (napi_create_object(env, &result) != napi_ok || napi_create_array(env, &shape) != napi_ok) return nullptr;
  for (int i = 0; i < dimensions; i++)
    napi_set_element(env, shape, i, values::ofInteger(env, TFE_TensorHandleDim(handle, i, status.get())));
  napi_set_named_property(env, result, "dtype", values::ofInteger(env, TFE_TensorHandleDataType(handle)));
  napi_set_named_property(env, result, "shape", shape);
  return result;
}

// copyTensor(id): another number for the same values, which live until both are deleted.
napi_value CopyTensor(napi_env env, napi_callback_info info) {
  int64_t id = 0;
  TFE_TensorHandle* handle = tensorArgument(env, info, &id);
  if (handle == nullptr) return nullptr;
  Status status;
  TFE_TensorHandle* copy = TFE_TensorHandleCopySharingTensor(handle, status.get());
  if (status.ok()) return values::ofInteger(env, context().add(copy));
  values::fail(env, status.message());
  return nullptr;
}

napi_value CountTensors(napi_env env, napi_callback_info) {
  return values::ofInteger(env, static_cast<int64_t>(context().tensors.size()));
}

// addFunction(definition: Uint8Array, a serialized FunctionDef): from then on its name is an op.
napi_value AddFunction(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  const void* data = nullptr;
  size_t size = 0;
  if (!argumentsOf(env, info, 1, arguments) || !started(env)) return nullptr;
  if (!values::bytes(env, arguments[0], "the function", &data, &size)) return nullptr;
  std::string name;
  size_t inputs = 0;
  if (!readFunction(data, size, &name, &inputs)) {
    values::fail(env, "these bytes are no function");
    return nullptr;
  }
  Status status;
  TFE_ContextAddFunctionDef(context().eager, static_cast<const char*>(data), size, status.get());
  if (status.ok()) declareFunction(name, inputs);
  else values::fail(env, status.message());
  return nullptr;
}

napi_value RemoveFunction(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  std::string name;
  if (!argumentsOf(env, info, 1, arguments) || !started(env)) return nullptr;
  if (!values::text(env, arguments[0], "the name of a function", &name)) return nullptr;
  Status status;
  TFE_ContextRemoveFunction(contextOf(name), name.c_str(), status.get());
  if (status.ok()) forgetFunction(name);
  else values::fail(env, status.message());
  return nullptr;
}

napi_value Initialize(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"load", nullptr, Load, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"devices", nullptr, Devices, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"createTensor", nullptr, CreateTensor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"deleteTensor", nullptr, DeleteTensor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"tensorDataSync", nullptr, TensorData, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"executeOp", nullptr, executeOp, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"executeOpAside", nullptr, executeOpAside, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"cancelOp", nullptr, cancelOp, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"getNumOfTensors", nullptr, CountTensors, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"describeTensor", nullptr, DescribeTensor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"copyTensor", nullptr, CopyTensor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"recordStart", nullptr, recordStart, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"recordInput", nullptr, recordInput, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"recordConstant", nullptr, recordConstant, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"recordOp", nullptr, recordOp, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"recordEnd", nullptr, recordEnd, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"addFunction", nullptr, AddFunction, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"removeFunction", nullptr, RemoveFunction, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Initialize)
