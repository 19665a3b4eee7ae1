#include "arguments.h"

#include <string>

#include "context.h"
#include "values.h"

bool argumentsOf(napi_env env, napi_callback_info info, size_t needed, napi_value* out) {
  size_t count = kMostArguments;
  if (!values::ok(env, napi_get_cb_info(env, info, &count, out, nullptr, nullptr), "the call")) return false;
  if (count >= needed) return true;
  values::fail(env, "too few arguments");
  return false;
}

TFE_TensorHandle* tensorArgument(napi_env env, napi_callback_info info, int64_t* id) {
  napi_value arguments[kMostArguments];
  if (!argumentsOf(env, info, 1, arguments) || !values::integer(env, arguments[0], "the tensor", id)) return nullptr;
  TFE_TensorHandle* handle = context().find(*id);
  if (handle == nullptr) values::fail(env, "there is no tensor " + std::to_string(*id));
  return handle;
}
