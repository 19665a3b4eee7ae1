// Recording: ops are written down in a graph instead of being run, with TensorFlow's own inference of types and shapes, and the graph becomes
// a function, which is an op like any other from then on. One recording at a time.
#pragma once
#include <node_api.h>

// recordStart(): begins; what was begun before is thrown away.
napi_value recordStart(napi_env env, napi_callback_info info);
// recordInput(dtype, shape): an argument of the function; its number among the recorded values.
napi_value recordInput(napi_env env, napi_callback_info info);
// recordConstant(id): a tensor's values as they are now.
napi_value recordConstant(napi_env env, napi_callback_info info);
// recordOp(name, attributes, inputs, outputs): [{ id, shape, dtype }], as executeOp, of recorded values.
napi_value recordOp(napi_env env, napi_callback_info info);
// recordEnd(name, inputs, outputs): adds the function. With no name nothing is added.
napi_value recordEnd(napi_env env, napi_callback_info info);
