#include "execute.h"

#include <memory>
#include <sstream>

#include "attributes.h"
#include "context.h"
#include "inputs.h"
#include "parallel.h"
#include "values.h"

using namespace tensorflow_c;

namespace {

struct DeleteOp {
  void operator()(TFE_Op* op) const { TFE_DeleteOp(op); }
};
using Op = std::unique_ptr<TFE_Op, DeleteOp>;

std::string shapeOf(TFE_TensorHandle* handle) {
  Status status;
  const int dimensions = TFE_TensorHandleNumDims(handle, status.get());
  std::ostringstream text;
  text << "[";
  for (int i = 0; status.ok() && i < dimensions; i++) text << (i > 0 ? "," : "") << TFE_TensorHandleDim(handle, i, status.get());
  text << "]";
  return text.str();
}

// { id, shape, dtype } of a new tensor, which is known from then on.
napi_value described(napi_env env, TFE_TensorHandle* handle) {
  Status status;
  const int dimensions = TFE_TensorHandleNumDims(handle, status.get());
  napi_value result, shape;
  if (!status.ok() || napi_create_object(env, &result) != napi_ok || napi_create_array(env, &shape) != napi_ok) {
    TFE_DeleteTensorHandle(handle);
    values::fail(env, status.ok() ? "a result cannot be described" : status.message());
    return nullptr;
  }
  for (int i = 0; i < dimensions; i++)
    napi_set_element(env, shape, i, values::ofInteger(env, TFE_TensorHandleDim(handle, i, status.get())));
  napi_set_named_property(env, result, "dtype", values::ofInteger(env, TFE_TensorHandleDataType(handle)));
  napi_set_named_property(env, result, "shape", shape);
  napi_set_named_property(env, result, "id", values::ofInteger(env, context().add(handle)));
  return result;
}

// The same values, tied to no context.
TFE_TensorHandle* untied(TFE_TensorHandle* handle, TF_Status* status) {
  TF_Tensor* tensor = TFE_TensorHandleResolve(handle, status);
  if (TF_GetCode(status) != 0) return nullptr;
  TFE_TensorHandle* made = TFE_NewTensorHandle(tensor, status);
  TF_DeleteTensor(tensor);
  return made;
}

// The handles of the call, those of another context's tensors untied from it.
class Handles {
 public:
  explicit Handles(bool untie) : untie_(untie) {}
  ~Handles() {
    for (TFE_TensorHandle* one : made_) TFE_DeleteTensorHandle(one);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  TFE_TensorHandle* of(TFE_TensorHandle* handle, TF_Status* status) {
    if (!untie_) return handle;
    made_.push_back(untied(handle, status));
    if (made_.back() == nullptr) made_.pop_back();
    return TF_GetCode(status) == 0 ? made_.back() : nullptr;
  }

 private:
  bool untie_;
  std::vector<TFE_TensorHandle*> made_;
};

}  // namespace

napi_value executeOp(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  if (!values::ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr), "the call")) return nullptr;
  std::string name;
  std::vector<int64_t> inputs;
  int64_t outputs = 0;
  uint32_t attributes = 0;
  if (count < 4) {
    values::fail(env, "executeOp takes a name, attributes, inputs and the number of outputs");
    return nullptr;
  }
  if (!values::text(env, arguments[0], "the name of an op", &name)) return nullptr;
  if (!values::length(env, arguments[1], "the attributes", &attributes)) return nullptr;
  if (!values::integers(env, arguments[2], "the inputs", &inputs)) return nullptr;
  if (!values::integer(env, arguments[3], "the number of outputs", &outputs)) return nullptr;
  if (outputs < 0 || outputs > 10000) {
    values::fail(env, "the number of outputs must be from 0 to 10000");
    return nullptr;
  }
  Context& all = context();
  if (all.eager == nullptr) {
    values::fail(env, "TensorFlow was not started");
    return nullptr;
  }
  const std::string wrong = checkInputs(name, inputs.size());
  if (!wrong.empty()) {
    values::fail(env, wrong);
    return nullptr;
  }
  Status status;
  const bool chained = isChained(name);
  Handles handles(chained);
  Op op(TFE_NewOp(contextOf(name), name.c_str(), status.get()));
  if (!status.ok()) {
    values::fail(env, name + ": " + status.message());
    return nullptr;
  }
  TFE_OpSetDevice(op.get(), all.device.c_str(), status.get());
  std::string shapes;
  for (const int64_t id : inputs) {
    TFE_TensorHandle* handle = all.find(id);
    if (handle == nullptr) {
      values::fail(env, name + ": there is no tensor " + std::to_string(id));
      return nullptr;
    }
    if (status.ok()) handle = handles.of(handle, status.get());
    if (status.ok()) TFE_OpAddInput(op.get(), handle, status.get());
    if (!status.ok()) break;
  }
  for (uint32_t i = 0; status.ok() && i < attributes; i++) {
    napi_value attribute;
    if (!values::ok(env, napi_get_element(env, arguments[1], i, &attribute), "an attribute")) return nullptr;
    Attribute one;
    if (!readAttribute(env, op.get(), attribute, &one)) return nullptr;
    setAttribute(op.get(), one, status.get());
  }
  // Room for more than was said: an op that has more outputs says so itself instead of writing past the end.
  std::vector<TFE_TensorHandle*> results(static_cast<size_t>(outputs) + 16, nullptr);
  int found = static_cast<int>(results.size());
  if (status.ok()) {
    const parallel::Alone alone(chained);
    TFE_Execute(op.get(), results.data(), &found, status.get());
  }
  for (int i = 0; chained && status.ok() && i < found; i++) {
    TFE_TensorHandle* result = untied(results[i], status.get());
    if (result == nullptr) break;
    TFE_DeleteTensorHandle(results[i]);
    results[i] = result;
  }
  if (!status.ok()) {
    for (const int64_t id : inputs) shapes += " " + shapeOf(all.find(id));
    values::fail(env, name + (shapes.empty() ? "" : " of" + shapes) + ": " + status.message());
    return nullptr;
  }
  if (found != outputs) {
    for (int i = 0; i < found; i++) TFE_DeleteTensorHandle(results[i]);
    values::fail(env, name + " has " + std::to_string(found) + " outputs, " + std::to_string(outputs) + " were asked for");
    return nullptr;
  }
  napi_value list;
  if (!values::ok(env, napi_create_array_with_length(env, found, &list), "the results")) return nullptr;
  for (int i = 0; i < found; i++) {
    napi_value one = described(env, results[i]);
    if (one == nullptr) return nullptr;
    napi_set_element(env, list, i, one);
  }
  return list;
}
