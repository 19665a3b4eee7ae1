// What a decoder needs besides its own parts: number by number, sums, copies. Strides are in numbers, 0 where something is repeated.
#pragma once
#include "math.h"

namespace elements {

// A row's number in three outer dimensions, and where it begins in a tensor with these strides.
struct Outer {
  Index second, third;
  Index of(Index row, const Index* strides) const {
    const Index last = row % third, rest = row / third;
    return rest / second * strides[0] + rest % second * strides[1] + last * strides[2];
  }
};

// y[row, i] = f(a, b) over rows of `inner` numbers; where there is one row only, `from` and `to` are numbers of it.
struct Pairs {
  const float *a, *b;
  float* y;
  Index inner, flat;
  Outer outer;
  Index aStrides[3], bStrides[3];
  // 0 or 1
  Index aEach, bEach;
};

template <class F>
INLINE void row(const float* a, Index aEach, const float* b, Index bEach, float* y, Index count, F f) {
  if (aEach != 0 && bEach != 0) {
    for (Index i = 0; i < count; i++) y[i] = f(a[i], b[i]);
  } else if (aEach != 0) {
    const float right = *b;
    for (Index i = 0; i < count; i++) y[i] = f(a[i], right);
  } else if (bEach != 0) {
    const float left = *a;
    for (Index i = 0; i < count; i++) y[i] = f(left, b[i]);
  } else {
    const float both = f(*a, *b);
    for (Index i = 0; i < count; i++) y[i] = both;
  }
}

template <class F>
INLINE void pairs(const Pairs& p, Index from, Index to, F f) {
  if (p.flat != 0) {
    row(p.a + from * p.aEach, p.aEach, p.b + from * p.bEach, p.bEach, p.y + from, to - from, f);
    return;
  }
  for (Index r = from; r < to; r++)
    row(p.a + p.outer.of(r, p.aStrides), p.aEach, p.b + p.outer.of(r, p.bStrides), p.bEach, p.y + r * p.inner, p.inner, f);
}

template <class F>
INLINE void each(const float* x, float* y, Index from, Index to, F f) {
  for (Index i = from; i < to; i++) y[i] = f(x[i]);
}

// sin (quarters 0) or cos (1) of x, below a million, within one unit of the last place.
INLINE float wave(float x, int quarters) {
  const double n = __builtin_nearbyint(x * 0.6366197723675814);
  const double r = (x - n * 1.5707963267948966) - n * 6.123233995736766e-17, s = r * r;
  const double sine = r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 - s / 39916800))));
  const double cosine = 1 + s * (-1.0 / 2 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800 + s / 479001600)))));
  const int32_t quarter = static_cast<int32_t>(n) + quarters;
  const double found = (quarter & 1) != 0 ? cosine : sine;
  return static_cast<float>((quarter & 2) != 0 ? -found : found);
}

// exp(x) of a double within -700 .. 700, far more exactly than a float shows.
INLINE double power(double x) {
  const double n = __builtin_nearbyint(x * 1.4426950408889634);
  const double r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  double p = 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  const int64_t bits = (static_cast<int64_t>(n) + 1023) << 52;
  double scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

INLINE float tangent(float x) {
  const double bounded = x < -20.0f ? -20.0 : (x > 20.0f ? 20.0 : x);
  const float found = static_cast<float>(1.0 - 2.0 / (power(2.0 * bounded) + 1.0));
  return x > -1e-4f && x < 1e-4f ? x : found;
}

// The error function by W. J. Cody's rational approximations (Rational Chebyshev approximations for the error function, 1969).
INLINE float errorFunction(float x) {
  const double a = x < 0 ? -static_cast<double>(x) : x, s = a * a;
  const double near = a *
                      ((((0.185777706184603153 * s + 3.1611237438705656) * s + 113.864154151050156) * s + 377.485237685302021) * s + 3209.37758913846947) /
                      ((((s + 23.6012909523441209) * s + 244.024637934444173) * s + 1282.61652607737228) * s + 2844.23683343917062);
  const double b = a > 6.0 ? 6.0 : a;
  double top = 2.15311535474403846e-8, bottom = 1.0;
  top = top * b + 0.564188496988670089;
  bottom = bottom * b + 15.7449261107098347;
  top = top * b + 8.88314979438837594;
  bottom = bottom * b + 117.693950891312499;
  top = top * b + 66.1191906371416295;
  bottom = bottom * b + 537.181101862009858;
  top = top * b + 298.635138197400131;
  bottom = bottom * b + 1621.38957456669019;
  top = top * b + 881.95222124176909;
  bottom = bottom * b + 3290.79923573345963;
  top = top * b + 1712.04761263407058;
  bottom = bottom * b + 4362.61909014324716;
  top = top * b + 2051.07837782607147;
  bottom = bottom * b + 3439.36767414372164;
  top = top * b + 1230.33935479799725;
  bottom = bottom * b + 1230.33935480374942;
  const double found = a <= 0.46875 ? near : 1.0 - power(-b * b) * top / bottom;
  return static_cast<float>(x < 0 ? -found : found);
}

// Sums over the middle of [outer, count, inner], one per outer and inner number; `from` and `to` count outer ones, or inner ones where there is one
// outer one only.
struct Sums {
  const float* x;
  float* y;
  Index outer, count, inner;
  float factor;
};

EVERY_PROCESSOR static void sums(const Sums& s, Index from, Index to) {
  if (s.inner == 1) {
    for (Index o = from; o < to; o++) {
      const float* x = s.x + o * s.count;
      float lanes[math::kLanes] = {0};
      Index i = 0;
      for (; i + math::kLanes <= s.count; i += math::kLanes)
        for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += x[i + lane];
      for (; i < s.count; i++) lanes[i % math::kLanes] += x[i];
      s.y[o] = math::sumLanes(lanes) * s.factor;
    }
    return;
  }
  const bool alone = s.outer == 1;
  for (Index o = alone ? 0 : from; o < (alone ? 1 : to); o++) {
    const Index begin = alone ? from : 0, end = alone ? to : s.inner;
    float* y = s.y + o * s.inner;
    for (Index j = begin; j < end; j++) y[j] = 0.0f;
    for (Index i = 0; i < s.count; i++) {
      const float* x = s.x + (o * s.count + i) * s.inner;
      for (Index j = begin; j < end; j++) y[j] += x[j];
    }
    for (Index j = begin; j < end; j++) y[j] *= s.factor;
  }
}

// Rows of `inner` numbers from one layout to another.
struct Copies {
  const void* x;
  void* y;
  Index inner;
  Outer outer;
  Index xStrides[3], yStrides[3];
  // From one number of a row to the next.
  Index xEach, yEach, xFirst, yFirst;
};

template <class T>
EVERY_PROCESSOR void copies(const Copies& c, Index from, Index to) {
  for (Index r = from; r < to; r++) {
    const T* x = static_cast<const T*>(c.x) + c.xFirst + c.outer.of(r, c.xStrides);
    T* y = static_cast<T*>(c.y) + c.yFirst + c.outer.of(r, c.yStrides);
    if (c.xEach == 1 && c.yEach == 1)
      for (Index i = 0; i < c.inner; i++) y[i] = x[i];
    else
      for (Index i = 0; i < c.inner; i++) y[i * c.yEach] = x[i * c.xEach];
  }
}

// Rows of x [M, width] at places -> y.
EVERY_PROCESSOR static void gather(const float* x, const int32_t* places, Index width, Index from, Index to, float* y) {
  for (Index i = from; i < to; i++) {
    const float* row = x + places[i] * width;
    // A call of memory.copy costs more than a short row's loop.
    for (Index j = 0; j < width; j++) y[i * width + j] = row[j];
  }
}

// y [rows, width]: 0, and rows of x added at their places; columns `from` to `to`.
EVERY_PROCESSOR static void scatter(const float* x, const int32_t* places, Index count, Index rows, Index width, Index from, Index to, float* y) {
  for (Index r = 0; r < rows; r++)
    for (Index j = from; j < to; j++) y[r * width + j] = 0.0f;
  for (Index i = 0; i < count; i++)
    for (Index j = from; j < to; j++) y[places[i] * width + j] += x[i * width + j];
}

}  // namespace elements
