// Reading JavaScript values, with one error that says which argument is wrong. Nothing here throws C++ exceptions: a failure leaves a pending
// JavaScript exception and returns false.
#pragma once
#include <node_api.h>

#include <string>
#include <vector>

namespace values {

void fail(napi_env env, const std::string& message);
// True where the call went well; else leaves an exception.
bool ok(napi_env env, napi_status status, const char* what);

bool text(napi_env env, napi_value value, const char* what, std::string* out);
bool integer(napi_env env, napi_value value, const char* what, int64_t* out);
bool number(napi_env env, napi_value value, const char* what, double* out);
bool integers(napi_env env, napi_value value, const char* what, std::vector<int64_t>* out);
bool numbers(napi_env env, napi_value value, const char* what, std::vector<double>* out);
bool length(napi_env env, napi_value value, const char* what, uint32_t* out);
bool isArray(napi_env env, napi_value value);
// The bytes of a typed array; they are the array's own.
bool bytes(napi_env env, napi_value value, const char* what, const void** data, size_t* size);

napi_value ofInteger(napi_env env, int64_t value);
napi_value ofText(napi_env env, const std::string& value);

}  // namespace values
