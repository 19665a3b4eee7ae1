#pragma once
#include <node_api.h>

// executeOp(name, attributes, inputs, outputs): runs one op on tensors by their numbers and returns [{ id, shape, dtype }].
napi_value executeOp(napi_env env, napi_callback_info info);
// executeOpAside(name, attributes, inputs, outputs, ticket): the same beside JavaScript: a promise. Its inputs may be deleted meanwhile.
napi_value executeOpAside(napi_env env, napi_callback_info info);
// cancelOp(ticket): of the op that runs beside JavaScript under this number, what has not begun does not run: the promise is rejected.
napi_value cancelOp(napi_env env, napi_callback_info info);
