// A few threads of our own for loops over rows: the C API gives kernels no way to TensorFlow's.
#pragma once
#include <cstdint>
#include <functional>

namespace parallel {

// How many threads a loop may use, the caller included; called once, before the first loop.
void setThreads(int count);

// work(from, to) over all of 0 .. count, in some pieces on all threads where `cost` (numbers touched) is worth it. Which thread does a row
// changes no number of it. A loop inside or beside another one runs on its caller alone.
void rows(int64_t count, int64_t cost, const std::function<void(int64_t, int64_t)>& work);

// While one with `on` lives, every loop runs on its caller alone: the callers are as many as the threads.
class Alone {
 public:
  explicit Alone(bool on);
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  bool on_;
};

}  // namespace parallel
