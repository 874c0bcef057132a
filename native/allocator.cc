// Large CPU blocks are kept for reuse instead of going back to the system.
//
// A training step allocates and frees the same few gigabytes again and again. glibc maps every large block afresh and the
// kernel then zeroes its pages: up to a third of a step. Kept in the heap instead, aligned blocks are not reused by glibc
// before 2.38 and memory grows without bound. So blocks of 1 MB and more are mapped once, in huge pages where the kernel
// has them, and kept by size; smaller ones stay with libtorch's own allocator.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <unordered_map>

class BlockCache final : public c10::Allocator {
 public:
  static BlockCache& instance() {
    static auto* cache = new BlockCache; // never destroyed: tensors may be freed while the process ends
    return *cache;
  }

#if TV >= 203
  c10::DataPtr allocate(size_t bytes) override {
#else
  c10::DataPtr allocate(size_t bytes) const override {
#endif
    void* data = bytes < kLarge ? c10::alloc_cpu(bytes) : instance().take(bytes);
    return {data, data, &giveBack, c10::Device(c10::DeviceType::CPU)};
  }

  // One deleter for both kinds, because libtorch also allocates and frees by address alone.
  c10::DeleterFnPtr raw_deleter() const override { return &giveBack; }

#if TV >= 201
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
#endif

  // Gives all idle blocks back to the system.
  void release() {
    std::lock_guard<std::mutex> lock(mutex_);
    releaseIdle();
  }

 private:
  static constexpr size_t kLarge = 1 << 20, kHugePage = 2 << 20;

  std::mutex mutex_;
  std::multimap<size_t, void*> idle_;
  std::unordered_map<void*, size_t> inUse_;
  size_t idleBytes_ = 0, usedBytes_ = 0, peakBytes_ = 0;

  static void giveBack(void* data) {
    // Only mapped blocks begin at a huge page, but for a rare small one.
    const bool mayBeMapped = reinterpret_cast<uintptr_t>(data) % kHugePage == 0;
    if (!mayBeMapped || !instance().put(data)) c10::free_cpu(data);
  }

  // Whole huge pages, in steps of about an eighth, so that blocks of similar size serve each other.
  static size_t rounded(size_t bytes) {
    size_t step = kHugePage;
    while (step * 16 < bytes) step *= 2;
    return (bytes + step - 1) / step * step;
  }

  void* take(size_t bytes) {
    const size_t size = rounded(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = idle_.lower_bound(size);
    void* data;
    size_t given = size;
    if (found != idle_.end() && found->first <= size + size / 4) {
      given = found->first;
      data = found->second;
      idle_.erase(found);
      idleBytes_ -= given;
    } else {
      data = map(size);
      if (!data) {
        releaseIdle();
        data = map(size);
      }
      TORCH_CHECK_WITH(OutOfMemoryError, data, "cannot allocate ", bytes, " bytes on the CPU");
    }
    inUse_.emplace(data, given);
    usedBytes_ += given;
    peakBytes_ = std::max(peakBytes_, usedBytes_);
    return data;
  }

  // False when the block is not one of ours.
  bool put(void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = inUse_.find(data);
    if (found == inUse_.end()) return false;
    const size_t size = found->second;
    inUse_.erase(found);
    usedBytes_ -= size;
    // In use and idle together never exceed twice what was in use at once.
    if (usedBytes_ + idleBytes_ + size > 2 * peakBytes_) {
      munmap(data, size);
    } else {
      idle_.emplace(size, data);
      idleBytes_ += size;
    }
    return true;
  }

  // A mapping that begins at a huge page, or null.
  static void* map(size_t size) {
    void* raw = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    const auto start = reinterpret_cast<uintptr_t>(raw), aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
    if (aligned > start) munmap(raw, aligned - start);
    munmap(reinterpret_cast<void*>(aligned + size), start + kHugePage - aligned);
    void* data = reinterpret_cast<void*>(aligned);
    madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  void releaseIdle() {
    for (const auto& [size, data] : idle_) munmap(data, size);
    idle_.clear();
    idleBytes_ = 0;
  }
};

static napi_value releaseMemory(Args& a) {
  BlockCache::instance().release();
  return a.undefined();
}

static void exportAllocator(napi_env env, napi_value exports) {
  static std::once_flag once; // of the process; every environment shares the cache
  std::call_once(once, [] { c10::SetCPUAllocator(&BlockCache::instance(), /*priority=*/100); });
  define<releaseMemory>(env, exports, "releaseMemory");
}
