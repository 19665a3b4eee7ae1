#include "record.h"

#include <memory>
#include <vector>

#include "arguments.h"
#include "attributes.h"
#include "context.h"
#include "fused/fused.h"
#include "inputs.h"
#include "values.h"

using namespace tensorflow_c;

namespace {

struct DeleteOp {
  void operator()(TFE_Op* op) const { TFE_DeleteOp(op); }
};

struct Recording {
  TF_Graph* graph = nullptr;
  std::vector<TF_Output> values;

  void clear() {
    if (graph != nullptr) TF_DeleteGraph(graph);
    graph = nullptr;
    values.clear();
  }
};

Recording& recording() {
  static Recording* only = new Recording();
  return *only;
}

bool going(napi_env env) {
  if (recording().graph != nullptr) return true;
  values::fail(env, "nothing is being recorded");
  return false;
}

bool find(napi_env env, int64_t id, TF_Output* out) {
  const std::vector<TF_Output>& known = recording().values;
  if (id >= 0 && id < static_cast<int64_t>(known.size())) {
    *out = known[static_cast<size_t>(id)];
    return true;
  }
  values::fail(env, "there is no recorded value " + std::to_string(id));
  return false;
}

bool findAll(napi_env env, const std::vector<int64_t>& ids, std::vector<TF_Output>* out) {
  out->resize(ids.size());
  for (size_t i = 0; i < ids.size(); i++)
    if (!find(env, ids[i], &(*out)[i])) return false;
  return true;
}

TF_OperationDescription* newOperation(const std::string& op) {
  const std::string name = "n" + std::to_string(recording().values.size());
  return TF_NewOperation(recording().graph, op.c_str(), name.c_str());
}

int64_t add(TF_Output value) {
  recording().values.push_back(value);
  return static_cast<int64_t>(recording().values.size()) - 1;
}

Shape shapeOf(TF_Output value) {
  Status status;
  const int dimensions = TF_GraphGetTensorNumDims(recording().graph, value, status.get());
  Shape shape(dimensions > 0 ? static_cast<size_t>(dimensions) : 0);
  if (dimensions > 0) TF_GraphGetTensorShape(recording().graph, value, shape.data(), dimensions, status.get());
  return shape;
}

// Tells the graph the shapes of what one of our own ops gives.
bool setShapes(napi_env env, const FusedOp& op, const std::vector<TF_Output>& inputs, const std::vector<Attribute>& attributes,
               TF_Operation* made) {
  Sizes sizes;
  for (const Attribute& one : attributes)
    if (one.name == "sizes") sizes = one.whole;
  Shapes given, wanted;
  for (const TF_Output& input : inputs) given.push_back(shapeOf(input));
  const std::string wrong = fused::shapesOf(op, given, sizes, &wanted);
  if (!wrong.empty()) {
    values::fail(env, std::string(op.name) + " " + wrong);
    return false;
  }
  Status status;
  for (size_t i = 0; i < wanted.size() && status.ok(); i++)
    TF_GraphSetTensorShape(recording().graph, {made, static_cast<int>(i)}, wanted[i].data(), static_cast<int>(wanted[i].size()),
                           status.get());
  if (!status.ok()) values::fail(env, status.message());
  return status.ok();
}

// { id, shape, dtype }; null with an exception where the shape is not known beforehand.
napi_value described(napi_env env, TF_Output value, const std::string& op) {
  Status status;
  TF_Graph* graph = recording().graph;
  const int dimensions = TF_GraphGetTensorNumDims(graph, value, status.get());
  std::vector<int64_t> shape(dimensions > 0 ? static_cast<size_t>(dimensions) : 0);
  if (status.ok() && dimensions > 0) TF_GraphGetTensorShape(graph, value, shape.data(), dimensions, status.get());
  bool known = status.ok() && dimensions >= 0;
  for (const int64_t size : shape) known = known && size >= 0;
  if (!known) {
    values::fail(env, "the shape of what " + op + " gives is not known before it runs");
    return nullptr;
  }
  napi_value result, list;
  if (napi_create_object(env, &result) != napi_ok || napi_create_array(env, &list) != napi_ok) return nullptr;
  for (int i = 0; i < dimensions; i++) napi_set_element(env, list, i, values::ofInteger(env, shape[i]));
  napi_set_named_property(env, result, "dtype", values::ofInteger(env, TF_OperationOutputType(value)));
  napi_set_named_property(env, result, "shape", list);
  napi_set_named_property(env, result, "id", values::ofInteger(env, add(value)));
  return result;
}

}  // namespace

napi_value recordStart(napi_env env, napi_callback_info) {
  if (context().eager == nullptr) {
    values::fail(env, "TensorFlow was not started");
    return nullptr;
  }
  recording().clear();
  recording().graph = TF_NewGraph();
  return nullptr;
}

napi_value recordInput(napi_env env, napi_callback_info info) {
  napi_value given[kMostArguments];
  int64_t type = 0;
  std::vector<int64_t> shape;
  if (!argumentsOf(env, info, 2, given) || !going(env) || !values::integer(env, given[0], "the type", &type)) return nullptr;
  if (!values::integers(env, given[1], "the shape", &shape)) return nullptr;
  TF_OperationDescription* op = newOperation("Placeholder");
  TF_SetAttrType(op, "dtype", static_cast<int>(type));
  TF_SetAttrShape(op, "shape", shape.data(), static_cast<int>(shape.size()));
  Status status;
  TF_Operation* made = TF_FinishOperation(op, status.get());
  if (status.ok()) return values::ofInteger(env, add({made, 0}));
  values::fail(env, status.message());
  return nullptr;
}

napi_value recordConstant(napi_env env, napi_callback_info info) {
  int64_t id = 0;
  TFE_TensorHandle* handle = going(env) ? tensorArgument(env, info, &id) : nullptr;
  if (handle == nullptr) return nullptr;
  Status status;
  TF_Tensor* tensor = TFE_TensorHandleResolve(handle, status.get());
  if (!status.ok()) {
    values::fail(env, status.message());
    return nullptr;
  }
  TF_OperationDescription* op = newOperation("Const");
  TF_SetAttrType(op, "dtype", TFE_TensorHandleDataType(handle));
  TF_SetAttrTensor(op, "value", tensor, status.get());
  Status finished;
  // Finishing is what frees the description, whatever went before.
  TF_Operation* made = TF_FinishOperation(op, finished.get());
  TF_DeleteTensor(tensor);
  if (status.ok() && finished.ok()) return values::ofInteger(env, add({made, 0}));
  values::fail(env, status.ok() ? finished.message() : status.message());
  return nullptr;
}

napi_value recordOp(napi_env env, napi_callback_info info) {
  napi_value given[kMostArguments];
  std::string name;
  uint32_t attributes = 0;
  std::vector<int64_t> ids;
  int64_t outputs = 0;
  if (!argumentsOf(env, info, 4, given) || !going(env) || !values::text(env, given[0], "the name of an op", &name)) return nullptr;
  if (!values::length(env, given[1], "the attributes", &attributes)) return nullptr;
  if (!values::integers(env, given[2], "the inputs", &ids)) return nullptr;
  if (!values::integer(env, given[3], "the number of outputs", &outputs)) return nullptr;
  std::vector<TF_Output> inputs;
  if (!findAll(env, ids, &inputs)) return nullptr;
  const std::string wrong = checkInputs(name, inputs.size());
  if (!wrong.empty()) {
    values::fail(env, wrong);
    return nullptr;
  }
  Status status;
  // Asked for the kinds of its attributes only.
  std::unique_ptr<TFE_Op, DeleteOp> asked(TFE_NewOp(context().eager, name.c_str(), status.get()));
  if (!status.ok()) {
    values::fail(env, name + ": " + status.message());
    return nullptr;
  }
  std::vector<Attribute> read(attributes);
  size_t listed = 0;
  for (uint32_t i = 0; i < attributes; i++) {
    napi_value one;
    if (!values::ok(env, napi_get_element(env, given[1], i, &one), "an attribute")) return nullptr;
    if (!readAttribute(env, asked.get(), one, &read[i])) return nullptr;
    // Ops with a list of N inputs have it first: ConcatV2, Pack, AddN.
    if (read[i].name == "N" && !read[i].isList && read[i].type == kAttrInt) listed = static_cast<size_t>(read[i].whole[0]);
  }
  if (listed > inputs.size()) {
    values::fail(env, name + " says it has " + std::to_string(listed) + " inputs and was given " + std::to_string(inputs.size()));
    return nullptr;
  }
  TF_OperationDescription* op = newOperation(name);
  if (listed > 0) TF_AddInputList(op, inputs.data(), static_cast<int>(listed));
  for (size_t i = listed; i < inputs.size(); i++) TF_AddInput(op, inputs[i]);
  for (const Attribute& one : read) setAttribute(op, one);
  TF_Operation* made = TF_FinishOperation(op, status.get());
  if (!status.ok()) {
    values::fail(env, name + ": " + status.message());
    return nullptr;
  }
  const int found = TF_OperationNumOutputs(made);
  if (found != outputs) {
    values::fail(env, name + " has " + std::to_string(found) + " outputs, " + std::to_string(outputs) + " were asked for");
    return nullptr;
  }
  const FusedOp* own = fused::find(name);
  if (own != nullptr && !setShapes(env, *own, inputs, read, made)) return nullptr;
  napi_value list;
  if (!values::ok(env, napi_create_array_with_length(env, found, &list), "the results")) return nullptr;
  for (int i = 0; i < found; i++) {
    napi_value one = described(env, {made, i}, name);
    if (one == nullptr) return nullptr;
    napi_set_element(env, list, i, one);
  }
  return list;
}

napi_value recordEnd(napi_env env, napi_callback_info info) {
  napi_value given[kMostArguments];
  std::string name;
  std::vector<int64_t> ids[2];
  bool chained = false;
  if (!argumentsOf(env, info, 4, given) || !going(env) || !values::text(env, given[0], "the name", &name)) return nullptr;
  if (!values::ok(env, napi_get_value_bool(env, given[3], &chained), "whether it is made of chains")) return nullptr;
  chained = chained && context().chains != nullptr;
  if (!values::integers(env, given[1], "the inputs", &ids[0]) || !values::integers(env, given[2], "the outputs", &ids[1])) return nullptr;
  std::vector<TF_Output> inputs, outputs;
  if (!findAll(env, ids[0], &inputs) || !findAll(env, ids[1], &outputs)) return nullptr;
  Status status;
  if (!name.empty()) {
    TF_Function* made = TF_GraphToFunction(recording().graph, name.c_str(), 0, -1, nullptr, static_cast<int>(inputs.size()),
                                           inputs.data(), static_cast<int>(outputs.size()), outputs.data(), nullptr, nullptr,
                                           nullptr, status.get());
    if (status.ok()) TFE_ContextAddFunction(chained ? context().chains : context().eager, made, status.get());
    if (made != nullptr) TF_DeleteFunction(made);
    if (status.ok()) declareFunction(name, inputs.size(), chained);
  }
  recording().clear();
  if (!status.ok()) values::fail(env, status.message());
  return nullptr;
}
