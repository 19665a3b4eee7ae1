// Attributes of ops: read from JavaScript in the kind that the op itself says, so that no wrong kind reaches TensorFlow, which would end
// the process; set on an op that runs or on one of a graph.
#pragma once
#include <node_api.h>

#include <string>
#include <vector>

#include "tensorflow.h"

struct Attribute {
  std::string name;
  tensorflow_c::AttrType type = tensorflow_c::kAttrInt;
  bool isList = false;
  std::string text;
  std::vector<int64_t> whole;
  std::vector<double> numbers;
};

// `op` is asked for the attribute's kind. False with a pending exception.
bool readAttribute(napi_env env, TFE_Op* op, napi_value attribute, Attribute* out);

void setAttribute(TFE_Op* op, const Attribute& attribute, TF_Status* status);
void setAttribute(TF_OperationDescription* op, const Attribute& attribute);
