#include "inputs.h"

#include <cstdint>
#include <unordered_map>

#include "context.h"

using namespace tensorflow_c;

namespace {

struct Inputs {
  size_t count = 0;
  // One of them is a list: then there may be any number.
  bool list = false;
  bool chained = false;
  std::string name;
};

std::unordered_map<std::string, Inputs>& functions() {
  static auto* all = new std::unordered_map<std::string, Inputs>();
  return *all;
}

// One field of a protocol buffer: its number, and its bytes where it has any.
struct Field {
  uint64_t number = 0;
  const uint8_t* data = nullptr;
  size_t size = 0;
};

bool varint(const uint8_t** at, const uint8_t* end, uint64_t* out) {
  *out = 0;
  for (int shift = 0; shift < 64 && *at < end; shift += 7) {
    const uint8_t byte = *(*at)++;
    *out |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

bool next(const uint8_t** at, const uint8_t* end, Field* out) {
  uint64_t tag = 0, size = 0;
  if (*at >= end || !varint(at, end, &tag)) return false;
  *out = Field{tag >> 3, nullptr, 0};
  switch (tag & 7) {
    case 0:
      return varint(at, end, &size);
    case 1:
      size = 8;
      break;
    case 2:
      if (!varint(at, end, &size)) return false;
      break;
    case 5:
      size = 4;
      break;
    default:
      return false;
  }
  if (size > static_cast<uint64_t>(end - *at)) return false;
  out->data = *at;
  out->size = static_cast<size_t>(size);
  *at += size;
  return true;
}

// OpDef (tensorflow/core/framework/op_def.proto): name = 1, input_arg = 2; of an argument, number_attr = 5 and type_list_attr = 6 make it a list.
Inputs readOp(const uint8_t* at, size_t size) {
  Inputs result;
  const uint8_t* end = at + size;
  Field field;
  while (next(&at, end, &field)) {
    if (field.number == 1 && field.data != nullptr) result.name.assign(reinterpret_cast<const char*>(field.data), field.size);
    if (field.number != 2 || field.data == nullptr) continue;
    result.count++;
    const uint8_t* inner = field.data;
    Field part;
    while (next(&inner, field.data + field.size, &part))
      if ((part.number == 5 || part.number == 6) && part.size > 0) result.list = true;
  }
  return result;
}

const Inputs* find(const std::string& op) {
  auto function = functions().find(op);
  if (function != functions().end()) return &function->second;
  static auto* known = new std::unordered_map<std::string, Inputs>();
  auto found = known->find(op);
  if (found != known->end()) return &found->second;
  static TF_Graph* graph = TF_NewGraph();
  Status status;
  TF_Buffer* buffer = TF_NewBuffer();
  TF_GraphGetOpDef(graph, op.c_str(), buffer, status.get());
  const Inputs* result = nullptr;
  if (status.ok()) {
    (*known)[op] = readOp(static_cast<const uint8_t*>(buffer->data), buffer->length);
    result = &(*known)[op];
  }
  TF_DeleteBuffer(buffer);
  return result;
}

}  // namespace

std::string checkInputs(const std::string& op, size_t given) {
  const Inputs* inputs = find(op);
  if (inputs == nullptr || inputs->list || inputs->count == given) return "";
  return op + " takes " + std::to_string(inputs->count) + " inputs and was given " + std::to_string(given);
}

void declareFunction(const std::string& name, size_t inputs, bool chained) {
  functions()[name] = Inputs{inputs, false, chained, name};
}

bool isChained(const std::string& name) {
  auto found = functions().find(name);
  return found != functions().end() && found->second.chained;
}

TFE_Context* contextOf(const std::string& name) { return isChained(name) ? context().chains : context().eager; }

void forgetFunction(const std::string& name) { functions().erase(name); }

// FunctionDef (function.proto): signature = 1, an OpDef.
bool readFunction(const void* data, size_t size, std::string* name, size_t* inputs) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  const uint8_t* end = at + size;
  Field field;
  while (next(&at, end, &field)) {
    if (field.number != 1 || field.data == nullptr) continue;
    const Inputs found = readOp(field.data, field.size);
    *name = found.name;
    *inputs = found.count;
    return !found.name.empty();
  }
  return false;
}
