// The arguments of a call from JavaScript.
#pragma once
#include <node_api.h>

#include <cstdint>

#include "tensorflow.h"

constexpr size_t kMostArguments = 6;

// The arguments of a call, at least `needed` of them. False with a pending exception.
bool argumentsOf(napi_env env, napi_callback_info info, size_t needed, napi_value* out);

// The tensor whose number is the first argument; null with a pending exception.
TFE_TensorHandle* tensorArgument(napi_env env, napi_callback_info info, int64_t* id);
