#include "room.h"

#include <memory>
#include <new>

namespace {

struct Free {
  void operator()(float* data) const { ::operator delete[](data, std::align_val_t(64)); }
};

}  // namespace

float* room(Index count) {
  thread_local std::unique_ptr<float[], Free> data;
  thread_local Index size = 0;
  if (size < count) {
    data.reset(static_cast<float*>(::operator new[](static_cast<size_t>(count) * sizeof(float), std::align_val_t(64))));
    size = count;
  }
  return data.get();
}
