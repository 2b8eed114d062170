// Buffers that are recycled: no allocation per packet in a steady state.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_BUFFERS_H_
#define MINI_SANDBOX_NETSTACK_FLOW_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "lwip/pbuf.h"
#include "netstack/link/packet.h"

namespace mini::netstack {

// A frame from the sandbox. lwIP may hold it as a pbuf (custom pbuf of lwip/pbuf.h), and a flow
// holds the pieces that its host socket has not taken yet. The bytes follow the struct.
struct RxBuffer {
  pbuf_custom lwip;  // first, so that a pbuf leads back to its buffer
  RxBuffer* next;
  uint32_t capacity;
  uint32_t begin;  // what is left to deliver
  uint32_t length;
  bool charged;  // to the memory budget

  std::span<uint8_t> bytes() { return {reinterpret_cast<uint8_t*>(this + 1), capacity}; }
  size_t charge() const { return sizeof(RxBuffer) + capacity; }
  std::span<uint8_t> left() { return bytes().subspan(begin, length); }
};

// Of one thread, the stack's; buffers outlive no pool.
class RxBufferPool {
 public:
  static constexpr uint32_t kFrameCapacity = kMaxFrameSize;

  RxBufferPool() = default;
  ~RxBufferPool();
  RxBufferPool(const RxBufferPool&) = delete;
  RxBufferPool& operator=(const RxBufferPool&) = delete;

  RxBuffer* Get();
  static void Put(RxBuffer* buffer);
  // lwIP's view of `buffer` from `offset`: lwIP's pbuf_free() puts the buffer back.
  static pbuf* AsPbuf(RxBuffer* buffer, size_t offset, size_t length);
  static RxBuffer* FromPbuf(pbuf* p);
  // An empty buffer of another size; Put() frees it.
  static RxBuffer* New(uint32_t capacity);
  // Frees what is kept for later.
  void Trim();

 private:
  static constexpr size_t kMaxFree = 32;  // a batch of frames
  RxBuffer* free_ = nullptr;
  size_t free_count_ = 0;
  static RxBufferPool* instance_;  // for pbuf_free(), which knows no pool; one Stack a process
};

// What was read from a host socket and lwIP has not seen acknowledged yet.
struct TxBlock {
  static constexpr size_t kCapacity = 65400;  // TCP_MSS: one segment
  TxBlock* next = nullptr;
  uint64_t end = 0;  // position in the stream behind this block's last byte
  size_t slack = 0;  // bytes that were not filled
  uint8_t bytes[kCapacity];
};

class TxBlockPool {
 public:
  TxBlockPool() = default;
  ~TxBlockPool();
  TxBlockPool(const TxBlockPool&) = delete;
  TxBlockPool& operator=(const TxBlockPool&) = delete;

  TxBlock* Get();
  void Put(TxBlock* block);
  // Frees what was not needed since the last time.
  void Trim();
  // All are kept until then, but for what would be more than `bytes`.
  void KeepAtMost(size_t bytes);
  size_t kept() const { return free_count_; }

 private:
  TxBlock* free_ = nullptr;
  size_t free_count_ = 0;
  size_t fewest_free_ = 0;  // since Trim()
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_BUFFERS_H_
