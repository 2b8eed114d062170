"""The byte streams that are sent through the sandbox and compared by their SHA-256.

A stream is made of windows into one pseudo-random buffer, each at another offset: no two blocks are
alike, a lost, doubled or swapped piece changes the hash, and producing it costs no copy.
"""

import hashlib

BLOCK = 1 << 20
_BUFFER = memoryview(hashlib.shake_256(b"mini-sandbox test stream").digest(2 * BLOCK))


def blocks(size):
    index = 0
    while size > 0:
        start = index * 7919 % BLOCK
        block = _BUFFER[start:start + min(BLOCK, size)]
        yield block
        size -= len(block)
        index += 1


def sha256_of(size):
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return digest.hexdigest()
