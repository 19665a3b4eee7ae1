// Functions of one number, through doubles where a float would lose digits.
#pragma once
#include "math.h"

namespace functions {

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

}  // namespace functions
