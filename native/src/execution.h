// One call of an op. It holds its inputs, so that it may run on another thread while JavaScript goes on.
#pragma once
#include <node_api.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "tensorflow.h"

class Execution {
 public:
  // The call's name, attributes, inputs and number of outputs. Null with a pending exception. `aside`: it outlives the call.
  static std::unique_ptr<Execution> prepare(napi_env env, const napi_value* arguments, bool aside);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // On JavaScript's thread; ends with a status.
  void run();
  // The same on another thread, beside.h. One such runs at a time.
  void runAside();
  // Of one that runs aside, our own ops that have not begun do not run any more, and it ends with an error.
  void cancel() { cancelled_ = true; }
  // Whether what runs aside was cancelled. Ops ask; TensorFlow gives a function no way to.
  static bool isCancelled();

  // [{ id, shape, dtype }] of what came of it; null with a pending exception that names the op and the shapes.
  napi_value results(napi_env env);

 private:
  Execution(const std::string& name, bool aside);
  void execute();
  void addInput(TFE_TensorHandle* handle);

  const std::string name_;
  const bool chained_, aside_;
  Status status_;
  std::atomic<bool> cancelled_{false};
  TFE_Op* op_ = nullptr;
  // Of `inputs_`, those that are its own: untied from another context, or of one that runs aside.
  std::vector<TFE_TensorHandle*> inputs_, own_;
  int64_t outputs_ = 0;
  std::vector<TFE_TensorHandle*> results_;
};
