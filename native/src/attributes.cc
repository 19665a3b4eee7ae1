#include "attributes.h"

#include "context.h"
#include "values.h"

using namespace tensorflow_c;

namespace {

bool property(napi_env env, napi_value object, const char* name, napi_value* out) {
  return values::ok(env, napi_get_named_property(env, object, name, out), name);
}

std::vector<float> floats(const std::vector<double>& numbers) { return std::vector<float>(numbers.begin(), numbers.end()); }
std::vector<int> ints(const std::vector<int64_t>& whole) { return std::vector<int>(whole.begin(), whole.end()); }

}  // namespace

bool readAttribute(napi_env env, TFE_Op* op, napi_value attribute, Attribute* out) {
  napi_value named, value;
  if (!property(env, attribute, "name", &named) || !values::text(env, named, "the name of an attribute", &out->name)) return false;
  if (!property(env, attribute, "value", &value)) return false;
  const char* name = out->name.c_str();
  if (out->name[0] == '_') {
    // Hints to TensorFlow itself, such as _XlaMustCompile, which no op declares.
    out->type = kAttrBool;
  } else {
    Status status;
    unsigned char isList = 0;
    const int type = TFE_OpGetAttrType(op, name, &isList, status.get());
    if (!status.ok()) {
      values::fail(env, "there is no attribute " + out->name + ": " + status.message());
      return false;
    }
    out->type = static_cast<AttrType>(type);
    out->isList = isList != 0;
  }
  if (out->isList) {
    // One number stands for a list of one.
    napi_value list = value;
    if (!values::isArray(env, value) &&
        (napi_create_array_with_length(env, 1, &list) != napi_ok || napi_set_element(env, list, 0, value) != napi_ok))
      return false;
    if (out->type == kAttrFloat) return values::numbers(env, list, name, &out->numbers);
    if (out->type == kAttrInt || out->type == kAttrType) return values::integers(env, list, name, &out->whole);
    values::fail(env, "a list for the attribute " + out->name + " is not supported");
    return false;
  }
  switch (out->type) {
    case kAttrString:
      return values::text(env, value, name, &out->text);
    case kAttrInt:
    case kAttrType:
      out->whole.resize(1);
      return values::integer(env, value, name, &out->whole[0]);
    case kAttrFloat:
    case kAttrBool:
      out->numbers.resize(1);
      return values::number(env, value, name, &out->numbers[0]);
    case kAttrShape:
      return values::integers(env, value, name, &out->whole);
  }
  values::fail(env, "the attribute " + out->name + " is of a kind that is not supported");
  return false;
}

void setAttribute(TFE_Op* op, const Attribute& a, TF_Status* status) {
  const char* name = a.name.c_str();
  if (a.isList) {
    if (a.type == kAttrFloat) TFE_OpSetAttrFloatList(op, name, floats(a.numbers).data(), static_cast<int>(a.numbers.size()));
    if (a.type == kAttrInt) TFE_OpSetAttrIntList(op, name, a.whole.data(), static_cast<int>(a.whole.size()));
    if (a.type == kAttrType) TFE_OpSetAttrTypeList(op, name, ints(a.whole).data(), static_cast<int>(a.whole.size()));
    return;
  }
  if (a.type == kAttrString) TFE_OpSetAttrString(op, name, a.text.data(), a.text.size());
  if (a.type == kAttrInt) TFE_OpSetAttrInt(op, name, a.whole[0]);
  if (a.type == kAttrFloat) TFE_OpSetAttrFloat(op, name, static_cast<float>(a.numbers[0]));
  if (a.type == kAttrBool) TFE_OpSetAttrBool(op, name, a.numbers[0] != 0 ? 1 : 0);
  if (a.type == kAttrType) TFE_OpSetAttrType(op, name, static_cast<int>(a.whole[0]));
  if (a.type == kAttrShape) TFE_OpSetAttrShape(op, name, a.whole.data(), static_cast<int>(a.whole.size()), status);
}

void setAttribute(TF_OperationDescription* op, const Attribute& a) {
  const char* name = a.name.c_str();
  if (a.isList) {
    if (a.type == kAttrFloat) TF_SetAttrFloatList(op, name, floats(a.numbers).data(), static_cast<int>(a.numbers.size()));
    if (a.type == kAttrInt) TF_SetAttrIntList(op, name, a.whole.data(), static_cast<int>(a.whole.size()));
    if (a.type == kAttrType) TF_SetAttrTypeList(op, name, ints(a.whole).data(), static_cast<int>(a.whole.size()));
    return;
  }
  if (a.type == kAttrString) TF_SetAttrString(op, name, a.text.data(), a.text.size());
  if (a.type == kAttrInt) TF_SetAttrInt(op, name, a.whole[0]);
  if (a.type == kAttrFloat) TF_SetAttrFloat(op, name, static_cast<float>(a.numbers[0]));
  if (a.type == kAttrBool) TF_SetAttrBool(op, name, a.numbers[0] != 0 ? 1 : 0);
  if (a.type == kAttrType) TF_SetAttrType(op, name, static_cast<int>(a.whole[0]));
  if (a.type == kAttrShape) TF_SetAttrShape(op, name, a.whole.data(), static_cast<int>(a.whole.size()));
}
