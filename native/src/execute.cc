#include "execute.h"

#include <unordered_map>

#include "arguments.h"
#include "execution.h"
#include "values.h"

namespace {

// An op that runs beside JavaScript.
struct Aside {
  std::unique_ptr<Execution> execution;
  int64_t ticket = 0;
  napi_async_work work = nullptr;
  napi_deferred promise = nullptr;
};

// By ticket. Only JavaScript's thread asks.
std::unordered_map<int64_t, Aside*>& running() {
  static auto* all = new std::unordered_map<int64_t, Aside*>();
  return *all;
}

void run(napi_env, void* aside) { static_cast<Aside*>(aside)->execution->runAside(); }

void complete(napi_env env, napi_status, void* given) {
  const std::unique_ptr<Aside> aside(static_cast<Aside*>(given));
  running().erase(aside->ticket);
  napi_delete_async_work(env, aside->work);
  napi_value results = aside->execution->results(env);
  if (results != nullptr) {
    napi_resolve_deferred(env, aside->promise, results);
    return;
  }
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_reject_deferred(env, aside->promise, error);
}

}  // namespace

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
  if (!argumentsOf(env, info, 5, arguments)) return nullptr;
  auto aside = std::make_unique<Aside>();
  if (!values::integer(env, arguments[4], "the ticket", &aside->ticket)) return nullptr;
  if (running().count(aside->ticket) > 0) {
    values::fail(env, "the ticket " + std::to_string(aside->ticket) + " is in use");
    return nullptr;
  }
  aside->execution = Execution::prepare(env, arguments, true);
  if (aside->execution == nullptr) return nullptr;
  napi_value promise, name = values::ofText(env, "sparring");
  if (!values::ok(env, napi_create_promise(env, &aside->promise, &promise), "a promise")) return nullptr;
  if (!values::ok(env, napi_create_async_work(env, nullptr, name, run, complete, aside.get(), &aside->work), "work aside")) return nullptr;
  if (!values::ok(env, napi_queue_async_work(env, aside->work), "work aside")) {
    napi_delete_async_work(env, aside->work);
    return nullptr;
  }
  running()[aside->ticket] = aside.get();
  aside.release();
  return promise;
}

napi_value cancelOp(napi_env env, napi_callback_info info) {
  napi_value arguments[kMostArguments];
  int64_t ticket = 0;
  if (!argumentsOf(env, info, 1, arguments) || !values::integer(env, arguments[0], "the ticket", &ticket)) return nullptr;
  const auto found = running().find(ticket);
  if (found != running().end()) found->second->execution->cancel();
  return nullptr;
}
