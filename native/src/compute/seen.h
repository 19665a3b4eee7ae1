// Which keys a query sees, and sums over them.
#pragma once
#include "math.h"

struct Seen {
  Index length, past, window;
  const int32_t* holes;
  // Rows of scores per hole.
  Index each;

  Index first(Index row) const { return window > 0 ? math::larger(0, past + row % length + 1 - window) : 0; }
  Index end(Index row) const { return past + row % length + 1; }
  // What of first .. end is not seen: from .. to, empty where all is.
  void hole(Index row, Index* from, Index* to) const {
    const int32_t* own = holes + 2 * (row / each);
    const Index first_ = first(row), end_ = end(row);
    *from = *to = end_;
    if (own[1] <= own[0] || end_ <= own[1]) return;
    *from = math::larger(first_, own[0]);
    *to = math::larger(*from, own[1]);
  }
};

// The largest of x from first to gap and from back to end, which is seen in any case.
INLINE float largest(const float* x, Index first, Index gap, Index back, Index end) {
  float most = x[end - 1];
  for (Index i = first; i < gap; i++) most = x[i] > most ? x[i] : most;
  for (Index i = back; i < end; i++) most = x[i] > most ? x[i] : most;
  return most;
}

// exp(x - most) of from .. to into y; its sum.
INLINE float powers(const float* x, float most, Index from, Index to, float* y) {
  float lanes[math::kLanes] = {0};
  Index i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) {
      const float value = math::exponential(x[i + lane] - most);
      y[i + lane] = value;
      lanes[lane] += value;
    }
  for (; i < to; i++) {
    y[i] = math::exponential(x[i] - most);
    lanes[0] += y[i];
  }
  return math::sumLanes(lanes);
}

INLINE float dot(const float* a, const float* b, Index from, Index to) {
  float lanes[math::kLanes] = {0};
  Index i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  for (; i < to; i++) lanes[0] += a[i] * b[i];
  return math::sumLanes(lanes);
}
