#include "context.h"

using namespace tensorflow_c;

Context& context() {
  // Never destroyed: at the end of the process TensorFlow's threads may still use it.
  static Context* only = new Context();
  return *only;
}

namespace {

// The place of the device to use: the one whose name ends with `wish`, else the first GPU, else the first; -1 where the wish is none of them.
int choose(const std::vector<Device>& devices, const std::string& wish) {
  for (size_t i = 0; i < devices.size(); i++) {
    const std::string end = ":" + wish;
    const std::string& name = devices[i].name;
    const bool wished = name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    if (wish.empty() ? devices[i].type == "GPU" : wished) return static_cast<int>(i);
  }
  return wish.empty() ? 0 : -1;
}

TFE_Context* newContext(const Config& config, TF_Status* status) {
  TFE_ContextOptions* options = TFE_NewContextOptions();
  if (config.size > 0) TFE_ContextOptionsSetConfig(options, config.data, config.size, status);
  TFE_Context* made = TF_GetCode(status) == 0 ? TFE_NewContext(options, status) : nullptr;
  TFE_DeleteContextOptions(options);
  return made;
}

}  // namespace

std::string startContext(const Config& eager, const Config& chains, const std::string& device) {
  Context& all = context();
  if (all.eager != nullptr) return "";
  Status status;
  TFE_Context* made = newContext(eager, status.get());
  if (!status.ok()) return status.message();
  std::vector<Device> devices;
  TF_DeviceList* list = TFE_ContextListDevices(made, status.get());
  if (!status.ok()) return status.message();
  for (int i = 0; i < TF_DeviceListCount(list); i++) {
    const char* name = TF_DeviceListName(list, i, status.get());
    if (!status.ok() || name == nullptr) continue;
    Device one{name, TF_DeviceListType(list, i, status.get()), TF_DeviceListMemoryBytes(list, i, status.get())};
    devices.push_back(one);
  }
  TF_DeleteDeviceList(list);
  const int chosen = devices.empty() ? -1 : choose(devices, device);
  if (chosen < 0) {
    TFE_DeleteContext(made);
    if (devices.empty()) return "TensorFlow knows no device";
    std::string known;
    for (const Device& one : devices) known += (known.empty() ? "" : ", ") + one.name;
    return "TensorFlow has no device " + device + "; it has " + known;
  }
  all.devices = devices;
  all.device = devices[static_cast<size_t>(chosen)].name;
  all.elsewhere = chosen != 0;
  all.eager = made;
  if (all.devices[0].type == "CPU" && !all.elsewhere) all.chains = newContext(chains, status.get());
  return status.ok() ? "" : status.message();
}
