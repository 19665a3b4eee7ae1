#include "values.h"

#include <cmath>

namespace values {

void fail(napi_env env, const std::string& message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  napi_throw_error(env, "SPARRING_NATIVE", message.c_str());
}

bool ok(napi_env env, napi_status status, const char* what) {
  if (status == napi_ok) return true;
  fail(env, std::string(what) + " is not what it should be");
  return false;
}

bool text(napi_env env, napi_value value, const char* what, std::string* out) {
  size_t size = 0;
  if (!ok(env, napi_get_value_string_utf8(env, value, nullptr, 0, &size), what)) return false;
  out->resize(size + 1);
  if (!ok(env, napi_get_value_string_utf8(env, value, &(*out)[0], size + 1, &size), what)) return false;
  out->resize(size);
  return true;
}

bool number(napi_env env, napi_value value, const char* what, double* out) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_boolean) {
    bool flag = false;
    napi_get_value_bool(env, value, &flag);
    *out = flag ? 1 : 0;
    return true;
  }
  return ok(env, napi_get_value_double(env, value, out), what);
}

bool integer(napi_env env, napi_value value, const char* what, int64_t* out) {
  double found = 0;
  if (!number(env, value, what, &found)) return false;
  if (!(std::fabs(found) <= 9007199254740991.0) || found != std::floor(found)) {
    fail(env, std::string(what) + " must be a whole number");
    return false;
  }
  *out = static_cast<int64_t>(found);
  return true;
}

bool isArray(napi_env env, napi_value value) {
  bool found = false;
  return napi_is_array(env, value, &found) == napi_ok && found;
}

bool length(napi_env env, napi_value value, const char* what, uint32_t* out) {
  if (!isArray(env, value)) {
    fail(env, std::string(what) + " must be a list");
    return false;
  }
  return ok(env, napi_get_array_length(env, value, out), what);
}

bool numbers(napi_env env, napi_value value, const char* what, std::vector<double>* out) {
  uint32_t size = 0;
  if (!length(env, value, what, &size)) return false;
  out->resize(size);
  for (uint32_t i = 0; i < size; i++) {
    napi_value one;
    if (!ok(env, napi_get_element(env, value, i, &one), what) || !number(env, one, what, &(*out)[i])) return false;
  }
  return true;
}

bool integers(napi_env env, napi_value value, const char* what, std::vector<int64_t>* out) {
  uint32_t size = 0;
  if (!length(env, value, what, &size)) return false;
  out->resize(size);
  for (uint32_t i = 0; i < size; i++) {
    napi_value one;
    if (!ok(env, napi_get_element(env, value, i, &one), what) || !integer(env, one, what, &(*out)[i])) return false;
  }
  return true;
}

bool bytes(napi_env env, napi_value value, const char* what, const void** data, size_t* size) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) {
    fail(env, std::string(what) + " must be a typed array");
    return false;
  }
  napi_typedarray_type type;
  size_t count = 0;
  void* start = nullptr;
  if (!ok(env, napi_get_typedarray_info(env, value, &type, &count, &start, nullptr, nullptr), what)) return false;
  size_t each = 1;
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array:
      each = 2;
      break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      each = 4;
      break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      each = 8;
      break;
    default:
      each = 1;
  }
  *data = start;
  *size = count * each;
  return true;
}

napi_value ofInteger(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value ofText(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.c_str(), value.size(), &result);
  return result;
}

}  // namespace values
