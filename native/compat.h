// Differences between libtorch versions, in one place.
#pragma once

#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/version.h>
#endif

// 1.13 -> 113, 2.13 -> 213
#define TV (TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR)

#include <c10/util/Optional.h>

// autocast_mode.h alone costs 18 s of compile time; these exported functions are all we need of it.
#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>
namespace at::autocast {
#if TV >= 204
void set_autocast_enabled(c10::DeviceType device, bool enabled);
void set_autocast_dtype(c10::DeviceType device, c10::ScalarType dtype);
#else
void set_enabled(bool enabled);
void set_cpu_enabled(bool enabled);
void set_autocast_gpu_dtype(c10::ScalarType dtype);
void set_autocast_cpu_dtype(c10::ScalarType dtype);
#endif
void set_autocast_cache_enabled(bool enabled);
void clear_cache();
} // namespace at::autocast

inline void setAutocast(c10::DeviceType device, bool enabled, c10::ScalarType dtype) {
#if TV >= 204
  at::autocast::set_autocast_dtype(device, dtype);
  at::autocast::set_autocast_enabled(device, enabled);
#else
  if (device == c10::DeviceType::CPU) {
    at::autocast::set_autocast_cpu_dtype(dtype);
    at::autocast::set_cpu_enabled(enabled);
  } else {
    at::autocast::set_autocast_gpu_dtype(dtype);
    at::autocast::set_enabled(enabled);
  }
#endif
}
