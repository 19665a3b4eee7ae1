// What we use of TensorFlow's C API (tensorflow/c/c_api.h and eager/c_api.h, stable since 2.0), as pointers that load() fills: the addon
// is linked to no TensorFlow, so that one binary serves every release and a missing library is an error, not a crash.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct TF_Status;
struct TF_Tensor;
struct TF_DeviceList;
struct TFE_ContextOptions;
struct TFE_Context;
struct TFE_TensorHandle;
struct TFE_Op;
struct TF_Graph;
struct TF_Operation;
struct TF_OperationDescription;
struct TF_Function;
struct TF_FunctionOptions;
struct TF_OpDefinitionBuilder;
struct TF_ShapeInferenceContext;
struct TF_KernelBuilder;
struct TF_OpKernelConstruction;
struct TF_OpKernelContext;
struct TF_Buffer {
  const void* data;
  size_t length;
  void (*deallocate)(void*, size_t);
};
// One output of an operation in a graph.
struct TF_Output {
  TF_Operation* oper;
  int index;
};

namespace tensorflow_c {

// X(result, name, parameters)
#define TENSORFLOW_FUNCTIONS(X)                                                                                     \
  X(const char*, TF_Version, (void))                                                                                \
  X(TF_Status*, TF_NewStatus, (void))                                                                               \
  X(void, TF_DeleteStatus, (TF_Status*))                                                                            \
  X(int, TF_GetCode, (const TF_Status*))                                                                            \
  X(const char*, TF_Message, (const TF_Status*))                                                                    \
  X(void, TF_SetStatus, (TF_Status*, int, const char*))                                                                    \
  X(size_t, TF_DataTypeSize, (int))                                                                                 \
  X(TF_Tensor*, TF_AllocateTensor, (int, const int64_t*, int, size_t))                                              \
  X(void*, TF_TensorData, (const TF_Tensor*))                                                                       \
  X(size_t, TF_TensorByteSize, (const TF_Tensor*))                                                                  \
  X(void, TF_DeleteTensor, (TF_Tensor*))                                                                            \
  X(int, TF_DeviceListCount, (const TF_DeviceList*))                                                                \
  X(const char*, TF_DeviceListName, (const TF_DeviceList*, int, TF_Status*))                                        \
  X(const char*, TF_DeviceListType, (const TF_DeviceList*, int, TF_Status*))                                        \
  X(int64_t, TF_DeviceListMemoryBytes, (const TF_DeviceList*, int, TF_Status*))                                     \
  X(void, TF_DeleteDeviceList, (TF_DeviceList*))                                                                    \
  X(TFE_ContextOptions*, TFE_NewContextOptions, (void))                                                             \
  X(void, TFE_ContextOptionsSetConfig, (TFE_ContextOptions*, const void*, size_t, TF_Status*))                      \
  X(void, TFE_DeleteContextOptions, (TFE_ContextOptions*))                                                          \
  X(TFE_Context*, TFE_NewContext, (const TFE_ContextOptions*, TF_Status*))                                          \
  X(void, TFE_DeleteContext, (TFE_Context*))                                                                        \
  X(TF_DeviceList*, TFE_ContextListDevices, (TFE_Context*, TF_Status*))                                             \
  X(void, TFE_ContextAddFunctionDef, (TFE_Context*, const char*, size_t, TF_Status*))                               \
  X(void, TFE_ContextRemoveFunction, (TFE_Context*, const char*, TF_Status*))                                       \
  X(TFE_TensorHandle*, TFE_NewTensorHandle, (const TF_Tensor*, TF_Status*))                                         \
  X(void, TFE_DeleteTensorHandle, (TFE_TensorHandle*))                                                              \
  X(int, TFE_TensorHandleDataType, (TFE_TensorHandle*))                                                             \
  X(int, TFE_TensorHandleNumDims, (TFE_TensorHandle*, TF_Status*))                                                  \
  X(int64_t, TFE_TensorHandleDim, (TFE_TensorHandle*, int, TF_Status*))                                             \
  X(TF_Tensor*, TFE_TensorHandleResolve, (TFE_TensorHandle*, TF_Status*))                                           \
  X(TFE_TensorHandle*, TFE_TensorHandleCopyToDevice, (TFE_TensorHandle*, TFE_Context*, const char*, TF_Status*))    \
  X(TFE_Op*, TFE_NewOp, (TFE_Context*, const char*, TF_Status*))                                                    \
  X(void, TFE_DeleteOp, (TFE_Op*))                                                                                  \
  X(void, TFE_OpSetDevice, (TFE_Op*, const char*, TF_Status*))                                                      \
  X(void, TFE_OpAddInput, (TFE_Op*, TFE_TensorHandle*, TF_Status*))                                                 \
  X(int, TFE_OpGetAttrType, (TFE_Op*, const char*, unsigned char*, TF_Status*))                                     \
  X(void, TFE_OpSetAttrString, (TFE_Op*, const char*, const void*, size_t))                                         \
  X(void, TFE_OpSetAttrInt, (TFE_Op*, const char*, int64_t))                                                        \
  X(void, TFE_OpSetAttrFloat, (TFE_Op*, const char*, float))                                                        \
  X(void, TFE_OpSetAttrBool, (TFE_Op*, const char*, unsigned char))                                                 \
  X(void, TFE_OpSetAttrType, (TFE_Op*, const char*, int))                                                           \
  X(void, TFE_OpSetAttrShape, (TFE_Op*, const char*, const int64_t*, int, TF_Status*))                              \
  X(void, TFE_OpSetAttrIntList, (TFE_Op*, const char*, const int64_t*, int))                                        \
  X(void, TFE_OpSetAttrFloatList, (TFE_Op*, const char*, const float*, int))                                        \
  X(void, TFE_OpSetAttrTypeList, (TFE_Op*, const char*, const int*, int))                                           \
  X(TFE_TensorHandle*, TFE_TensorHandleCopySharingTensor, (TFE_TensorHandle*, TF_Status*))                          \
  X(TF_Buffer*, TF_NewBuffer, (void))                                                                               \
  X(void, TF_DeleteBuffer, (TF_Buffer*))                                                                            \
  X(void, TF_GraphGetOpDef, (TF_Graph*, const char*, TF_Buffer*, TF_Status*))                                       \
  X(TF_Graph*, TF_NewGraph, (void))                                                                                 \
  X(void, TF_DeleteGraph, (TF_Graph*))                                                                              \
  X(TF_OperationDescription*, TF_NewOperation, (TF_Graph*, const char*, const char*))                               \
  X(TF_Operation*, TF_FinishOperation, (TF_OperationDescription*, TF_Status*))                                      \
  X(void, TF_AddInput, (TF_OperationDescription*, TF_Output))                                                       \
  X(void, TF_AddInputList, (TF_OperationDescription*, const TF_Output*, int))                                       \
  X(void, TF_SetAttrString, (TF_OperationDescription*, const char*, const void*, size_t))                           \
  X(void, TF_SetAttrInt, (TF_OperationDescription*, const char*, int64_t))                                          \
  X(void, TF_SetAttrFloat, (TF_OperationDescription*, const char*, float))                                          \
  X(void, TF_SetAttrBool, (TF_OperationDescription*, const char*, unsigned char))                                   \
  X(void, TF_SetAttrType, (TF_OperationDescription*, const char*, int))                                             \
  X(void, TF_SetAttrShape, (TF_OperationDescription*, const char*, const int64_t*, int))                            \
  X(void, TF_SetAttrIntList, (TF_OperationDescription*, const char*, const int64_t*, int))                          \
  X(void, TF_SetAttrFloatList, (TF_OperationDescription*, const char*, const float*, int))                          \
  X(void, TF_SetAttrTypeList, (TF_OperationDescription*, const char*, const int*, int))                             \
  X(void, TF_SetAttrTensor, (TF_OperationDescription*, const char*, TF_Tensor*, TF_Status*))                        \
  X(int, TF_OperationNumOutputs, (TF_Operation*))                                                                   \
  X(int, TF_OperationOutputType, (TF_Output))                                                                       \
  X(int, TF_GraphGetTensorNumDims, (TF_Graph*, TF_Output, TF_Status*))                                              \
  X(void, TF_GraphGetTensorShape, (TF_Graph*, TF_Output, int64_t*, int, TF_Status*))                                \
  X(TF_Function*, TF_GraphToFunction,                                                                               \
    (const TF_Graph*, const char*, unsigned char, int, const TF_Operation* const*, int, const TF_Output*, int,      \
     const TF_Output*, const char* const*, const TF_FunctionOptions*, const char*, TF_Status*))                     \
  X(void, TF_DeleteFunction, (TF_Function*))                                                                        \
  X(void, TFE_ContextAddFunction, (TFE_Context*, TF_Function*, TF_Status*))                                         \
  X(void, TFE_Execute, (TFE_Op*, TFE_TensorHandle**, int*, TF_Status*))                                             \
  X(int, TF_NumDims, (const TF_Tensor*))                                                                            \
  X(int64_t, TF_Dim, (const TF_Tensor*, int))                                                                       \
  X(void, TF_GraphSetTensorShape, (TF_Graph*, TF_Output, const int64_t*, int, TF_Status*))                          \
  X(TF_OpDefinitionBuilder*, TF_NewOpDefinitionBuilder, (const char*))                                              \
  X(void, TF_OpDefinitionBuilderAddInput, (TF_OpDefinitionBuilder*, const char*))                                   \
  X(void, TF_OpDefinitionBuilderAddOutput, (TF_OpDefinitionBuilder*, const char*))                                  \
  X(void, TF_OpDefinitionBuilderAddAttr, (TF_OpDefinitionBuilder*, const char*))                                    \
  X(void, TF_OpDefinitionBuilderSetShapeInferenceFunction,                                                          \
    (TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)))                                     \
  X(void, TF_ShapeInferenceContextSetUnknownShape, (TF_ShapeInferenceContext*, TF_Status*))                         \
  X(void, TF_RegisterOpDefinition, (TF_OpDefinitionBuilder*, TF_Status*))                                           \
  X(TF_KernelBuilder*, TF_NewKernelBuilder,                                                                         \
    (const char*, const char*, void* (*)(TF_OpKernelConstruction*), void (*)(void*, TF_OpKernelContext*),           \
     void (*)(void*)))                                                                                              \
  X(void, TF_RegisterKernelBuilder, (const char*, TF_KernelBuilder*, TF_Status*))                                   \
  X(void, TF_GetInput, (TF_OpKernelContext*, int, TF_Tensor**, TF_Status*))                                         \
  X(TF_Tensor*, TF_AllocateOutput, (TF_OpKernelContext*, int, int, const int64_t*, int, size_t, TF_Status*))        \
  X(void, TF_OpKernelContext_Failure, (TF_OpKernelContext*, TF_Status*))                                            \
  X(void, TF_OpKernelConstruction_Failure, (TF_OpKernelConstruction*, TF_Status*))                                  \
  X(void, TF_OpKernelConstruction_GetAttrSize,                                                                      \
    (TF_OpKernelConstruction*, const char*, int32_t*, int32_t*, TF_Status*))                                        \
  X(void, TF_OpKernelConstruction_GetAttrFloat, (TF_OpKernelConstruction*, const char*, float*, TF_Status*))        \
  X(void, TF_OpKernelConstruction_GetAttrInt64List,                                                                 \
    (TF_OpKernelConstruction*, const char*, int64_t*, int, TF_Status*))

#define DECLARE(result, name, parameters) extern result(*name) parameters;
TENSORFLOW_FUNCTIONS(DECLARE)
#undef DECLARE

// Loads the libraries in their order, to compute on so many threads, and finds every function. Empty when all went well, else what is wrong. Loading twice is harmless.
std::string load(const std::vector<std::string>& libraries, int threads);

// Loads a library for all that comes later. Empty when all went well, else the loader's words.
std::string loadGlobally(const std::string& library);
bool isLoaded();

// TF_DataType, as the C API numbers them.
enum DataType { kFloat = 1, kInt32 = 3, kUint8 = 4, kString = 7, kComplex64 = 8, kInt64 = 9, kBool = 10, kBfloat16 = 14, kHalf = 19, kResource = 20 };
// TF_Code.
enum Code { kCancelled = 1, kInvalidArgument = 3 };
// TF_AttrType.
enum AttrType { kAttrString = 0, kAttrInt = 1, kAttrFloat = 2, kAttrBool = 3, kAttrType = 4, kAttrShape = 5 };

}  // namespace tensorflow_c
