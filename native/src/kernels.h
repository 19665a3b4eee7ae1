// Our fused ops as ops of TensorFlow's, with kernels for the processor.
#pragma once
#include <string>

// Once, before the first context. Empty when all went well, else what is wrong.
std::string registerFused();
