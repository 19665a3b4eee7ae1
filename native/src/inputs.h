// How many inputs an op takes. TensorFlow ends the process where it is given more than its definition has, so that it is asked before.
#pragma once
#include <cstddef>
#include <string>

#include "tensorflow.h"

// Empty where `given` inputs may be added to the op, else what is wrong. An op that is not known passes: TensorFlow says so itself.
std::string checkInputs(const std::string& op, size_t given);

// A function of `inputs` arguments is an op from now on, or no longer; one made of chains is run as such.
void declareFunction(const std::string& name, size_t inputs, bool chained = false);
bool isChained(const std::string& name);
// Where the function is known.
TFE_Context* contextOf(const std::string& name);
void forgetFunction(const std::string& name);

// The name and arguments of a serialized FunctionDef; false where it is none.
bool readFunction(const void* data, size_t size, std::string* name, size_t* inputs);
