#include "execution.h"

#include <mutex>
#include <sstream>
#include <utility>

#include "attributes.h"
#include "inputs.h"
#include "parallel.h"
#include "values.h"

using namespace tensorflow_c;

namespace {

constexpr int64_t kMostOutputs = 10000;

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

// Held by the one that runs aside.
std::mutex& aside() {
  static auto* only = new std::mutex();
  return *only;
}

std::atomic<Execution*>& current() {
  static auto* only = new std::atomic<Execution*>(nullptr);
  return *only;
}

}  // namespace

Execution::Execution(const std::string& name, bool aside) : name_(name), chained_(isChained(name)), aside_(aside) {
  op_ = TFE_NewOp(contextOf(name), name.c_str(), status_.get());
  if (status_.ok()) TFE_OpSetDevice(op_, context().device.c_str(), status_.get());
}

Execution::~Execution() {
  if (op_ != nullptr) TFE_DeleteOp(op_);
  for (TFE_TensorHandle* one : own_) TFE_DeleteTensorHandle(one);
  for (TFE_TensorHandle* one : results_)
    if (one != nullptr) TFE_DeleteTensorHandle(one);
}

void Execution::addInput(TFE_TensorHandle* handle) {
  if (chained_ || aside_) {
    handle = chained_ ? untied(handle, status_.get()) : TFE_TensorHandleCopySharingTensor(handle, status_.get());
    if (handle == nullptr) return;
    own_.push_back(handle);
  }
  inputs_.push_back(handle);
  TFE_OpAddInput(op_, handle, status_.get());
}

std::unique_ptr<Execution> Execution::prepare(napi_env env, const napi_value* arguments, bool aside) {
  std::string name;
  std::vector<int64_t> inputs;
  int64_t outputs = 0;
  uint32_t attributes = 0;
  if (!values::text(env, arguments[0], "the name of an op", &name)) return nullptr;
  if (!values::length(env, arguments[1], "the attributes", &attributes)) return nullptr;
  if (!values::integers(env, arguments[2], "the inputs", &inputs)) return nullptr;
  if (!values::integer(env, arguments[3], "the number of outputs", &outputs)) return nullptr;
  std::string wrong;
  if (outputs < 0 || outputs > kMostOutputs) wrong = "the number of outputs must be from 0 to " + std::to_string(kMostOutputs);
  if (context().eager == nullptr) wrong = "TensorFlow was not started";
  if (wrong.empty()) wrong = checkInputs(name, inputs.size());
  if (!wrong.empty()) {
    values::fail(env, wrong);
    return nullptr;
  }
  std::unique_ptr<Execution> made(new Execution(name, aside));
  made->outputs_ = outputs;
  Status& status = made->status_;
  if (made->op_ == nullptr) {
    values::fail(env, name + ": " + status.message());
    return nullptr;
  }
  for (const int64_t id : inputs) {
    TFE_TensorHandle* handle = context().find(id);
    if (handle == nullptr) {
      values::fail(env, name + ": there is no tensor " + std::to_string(id));
      return nullptr;
    }
    if (status.ok()) made->addInput(handle);
  }
  for (uint32_t i = 0; status.ok() && i < attributes; i++) {
    napi_value attribute;
    if (!values::ok(env, napi_get_element(env, arguments[1], i, &attribute), "an attribute")) return nullptr;
    Attribute one;
    if (!readAttribute(env, made->op_, attribute, &one)) return nullptr;
    setAttribute(made->op_, one, status.get());
  }
  return made;
}

void Execution::execute() {
  if (!status_.ok()) return;
  const parallel::Alone alone(chained_);
  // Room for more than was said: an op that has more outputs says so itself instead of writing past the end.
  results_.assign(static_cast<size_t>(outputs_) + 16, nullptr);
  int found = static_cast<int>(results_.size());
  TFE_Execute(op_, results_.data(), &found, status_.get());
  results_.resize(status_.ok() ? static_cast<size_t>(found) : 0);
  if (!chained_) return;
  for (TFE_TensorHandle*& result : results_) {
    TFE_TensorHandle* made = untied(result, status_.get());
    if (made == nullptr) return;
    TFE_DeleteTensorHandle(result);
    result = made;
  }
}

void Execution::run() {
  // What was cancelled ends first: its ops and ours ask the same question.
  if (isCancelled()) const std::lock_guard<std::mutex> ended(aside());
  execute();
}

void Execution::runAside() {
  const std::lock_guard<std::mutex> turn(aside());
  current() = this;
  if (cancelled_) TF_SetStatus(status_.get(), kCancelled, "cancelled");
  execute();
  current() = nullptr;
}

bool Execution::isCancelled() {
  const Execution* running = current();
  return running != nullptr && running->cancelled_;
}

napi_value Execution::results(napi_env env) {
  if (!status_.ok()) {
    std::string shapes;
    for (TFE_TensorHandle* input : inputs_) shapes += " " + shapeOf(input);
    values::fail(env, name_ + (shapes.empty() ? "" : " of" + shapes) + ": " + status_.message());
    return nullptr;
  }
  if (results_.size() != static_cast<size_t>(outputs_)) {
    values::fail(env, name_ + " has " + std::to_string(results_.size()) + " outputs, " + std::to_string(outputs_) + " were asked for");
    return nullptr;
  }
  napi_value list;
  if (!values::ok(env, napi_create_array_with_length(env, results_.size(), &list), "the results")) return nullptr;
  for (size_t i = 0; i < results_.size(); i++) {
    napi_value one = described(env, std::exchange(results_[i], nullptr));
    if (one == nullptr) return nullptr;
    napi_set_element(env, list, static_cast<uint32_t>(i), one);
  }
  return list;
}
