#pragma once
#include <node_api.h>

// executeOp(name, attributes, inputs, outputs): runs one op on tensors by their numbers and returns [{ id, shape, dtype }].
napi_value executeOp(napi_env env, napi_callback_info info);
