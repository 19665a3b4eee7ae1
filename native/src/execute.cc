#include "execute.h"

#include "arguments.h"
#include "beside.h"
#include "execution.h"
#include "values.h"

napi_value executeOp(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  if (!argumentsOf(env, info, 4, arguments)) return nullptr;
  const std::unique_ptr<Execution> execution = Execution::prepare(env, arguments, false);
  if (execution == nullptr) return nullptr;
  execution->run();
  return execution->results(env);
}

napi_value executeOpAside(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  int64_t ticket = 0;
  if (!argumentsOf(env, info, 5, arguments) || !values::integer(env, arguments[4], "the ticket", &ticket)) return nullptr;
  std::unique_ptr<Execution> execution = Execution::prepare(env, arguments, true);
  return execution == nullptr ? nullptr : beside::promise(env, std::move(execution), ticket);
}

napi_value cancelOp(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  int64_t ticket = 0;
  if (argumentsOf(env, info, 1, arguments) && values::integer(env, arguments[0], "the ticket", &ticket)) beside::cancel(ticket);
  return nullptr;
}
