// A thread of our own for executions that go on beside JavaScript, one after another. Node's pool has several, each of which would keep memory of its own.
#pragma once
#include <node_api.h>

#include <memory>

#include "execution.h"

namespace beside {

// A promise of what the execution gives; null with a pending exception. `ticket`: a number that no other one has.
napi_value promise(napi_env env, std::unique_ptr<Execution> execution, int64_t ticket);

// The one with this number, where it has not ended, does not go on.
void cancel(int64_t ticket);

}  // namespace beside
