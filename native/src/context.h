// TensorFlow's eager context and the tensors that JavaScript knows by number. One of each per process: TensorFlow's own state is global too.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tensorflow.h"

// A status that frees itself.
class Status {
 public:
  Status() : status_(tensorflow_c::TF_NewStatus()) {}
  ~Status() { tensorflow_c::TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  TF_Status* get() const { return status_; }
  bool ok() const { return tensorflow_c::TF_GetCode(status_) == 0; }
  std::string message() const { return tensorflow_c::TF_Message(status_); }

 private:
  TF_Status* status_;
};

struct Device {
  std::string name;
  std::string type;
  int64_t memory;
};

struct Context {
  TFE_Context* eager = nullptr;
  // For functions made of chains of ops that do not wait for one another: one thread per chain, and none for the single op. Null where ops run
  // elsewhere than on the first processor.
  TFE_Context* chains = nullptr;
  std::vector<Device> devices;
  // The device that ops run on: the one that was asked for, else the first GPU, else the processor.
  std::string device;
  // Values come from JavaScript to the first device; where ops run on another, they are moved there.
  bool elsewhere = false;
  std::unordered_map<int64_t, TFE_TensorHandle*> tensors;
  int64_t next = 1;

  int64_t add(TFE_TensorHandle* handle) {
    tensors[next] = handle;
    return next++;
  }
  TFE_TensorHandle* find(int64_t id) const {
    auto found = tensors.find(id);
    return found == tensors.end() ? nullptr : found->second;
  }
};

Context& context();

// A serialized ConfigProto; may be empty.
struct Config {
  const void* data = nullptr;
  size_t size = 0;
};

// Makes the contexts. `device`: the end of the name of the device to use, such as GPU:1, or empty. Empty when all went well, else what is wrong.
std::string startContext(const Config& eager, const Config& chains, const std::string& device);
