#include "context.h"

using namespace tensorflow_c;

Context& context() {
  // Never destroyed: at the end of the process TensorFlow's threads may still use it.
  static Context* only = new Context();
  return *only;
}

std::string startContext(const void* config, size_t size) {
  Context& all = context();
  if (all.eager != nullptr) return "";
  Status status;
  TFE_ContextOptions* options = TFE_NewContextOptions();
  if (size > 0) TFE_ContextOptionsSetConfig(options, config, size, status.get());
  TFE_Context* made = status.ok() ? TFE_NewContext(options, status.get()) : nullptr;
  TFE_DeleteContextOptions(options);
  if (!status.ok()) return status.message();
  TF_DeviceList* list = TFE_ContextListDevices(made, status.get());
  if (!status.ok()) return status.message();
  for (int i = 0; i < TF_DeviceListCount(list); i++) {
    const char* name = TF_DeviceListName(list, i, status.get());
    if (!status.ok() || name == nullptr) continue;
    Device device{name, TF_DeviceListType(list, i, status.get()), TF_DeviceListMemoryBytes(list, i, status.get())};
    const bool gpu = device.type == "GPU";
    if (all.device.empty() || (gpu && !all.gpu)) {
      all.device = device.name;
      all.gpu = gpu;
    }
    all.devices.push_back(device);
  }
  TF_DeleteDeviceList(list);
  if (all.devices.empty()) return "TensorFlow knows no device";
  all.eager = made;
  return "";
}
