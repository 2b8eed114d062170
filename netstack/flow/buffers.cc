#include "netstack/flow/buffers.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace mini::netstack {

namespace {

void FreePbuf(pbuf* p) { RxBufferPool::Put(RxBufferPool::FromPbuf(p)); }

}  // namespace

RxBufferPool* RxBufferPool::instance_ = nullptr;

RxBufferPool::~RxBufferPool() {
  Trim();
  if (instance_ == this) instance_ = nullptr;
}

void RxBufferPool::Trim() {
  while (free_ != nullptr) {
    RxBuffer* next = free_->next;
    std::free(free_);
    free_ = next;
  }
  free_count_ = 0;
}

RxBuffer* RxBufferPool::Get() {
  instance_ = this;
  RxBuffer* buffer = free_;
  if (buffer == nullptr) return New(kFrameCapacity);
  free_ = buffer->next;
  --free_count_;
  buffer->next = nullptr;
  buffer->charged = false;
  return buffer;
}

void RxBufferPool::Put(RxBuffer* buffer) {
  RxBufferPool* pool = instance_;
  if (pool == nullptr || buffer->capacity != kFrameCapacity || pool->free_count_ >= kMaxFree) {
    std::free(buffer);
    return;
  }
  buffer->next = pool->free_;
  pool->free_ = buffer;
  ++pool->free_count_;
}

pbuf* RxBufferPool::AsPbuf(RxBuffer* buffer, size_t offset, size_t length) {
  buffer->lwip.custom_free_function = FreePbuf;
  return pbuf_alloced_custom(PBUF_RAW, static_cast<u16_t>(length), PBUF_REF, &buffer->lwip,
                             buffer->bytes().data() + offset, static_cast<u16_t>(length));
}

RxBuffer* RxBufferPool::FromPbuf(pbuf* p) {
  // The pbuf is the first member of pbuf_custom, and that of RxBuffer: one address.
  return reinterpret_cast<RxBuffer*>(p);
}

RxBuffer* RxBufferPool::New(uint32_t capacity) {
  void* memory = std::malloc(sizeof(RxBuffer) + capacity);
  if (memory == nullptr) std::abort();
  RxBuffer* buffer = new (memory) RxBuffer;
  buffer->next = nullptr;
  buffer->capacity = capacity;
  buffer->begin = 0;
  buffer->length = 0;
  buffer->charged = false;
  return buffer;
}

TxBlockPool::~TxBlockPool() { KeepAtMost(0); }

void TxBlockPool::Trim() {
  for (size_t unneeded = fewest_free_; unneeded > 0; --unneeded) delete Get();
  fewest_free_ = free_count_;
}

void TxBlockPool::KeepAtMost(size_t bytes) {
  while (free_count_ > bytes / TxBlock::kCapacity) delete Get();
}

TxBlock* TxBlockPool::Get() {
  TxBlock* block = free_;
  // Not value-initialized: its bytes are written by the read that follows.
  if (block == nullptr) return new TxBlock;
  free_ = block->next;
  fewest_free_ = std::min(fewest_free_, --free_count_);
  block->next = nullptr;
  return block;
}

void TxBlockPool::Put(TxBlock* block) {
  block->next = free_;
  free_ = block;
  ++free_count_;
}

}  // namespace mini::netstack
