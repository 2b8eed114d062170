// What bench/compare runs inside the contenders and beside them: loads that iperf3 can't put on,
// and their other ends. The TCP server and the addresses are the soak's (tests/soak/load.h).
#ifndef MINI_SANDBOX_BENCH_NETWORK_LOAD_H_
#define MINI_SANDBOX_BENCH_NETWORK_LOAD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/soak/load.h"

namespace mini::network_load {

using load::Clock;

// One line: how many, how many failed, and the median, the 99th percentile and the longest.
void PrintLatencies(std::vector<Clock::duration> latencies, uint64_t failed);

// Connects, sends 16 bytes, gets them back, closes; over and over, in so many threads.
int ConnectRate(std::chrono::milliseconds duration, size_t threads, const std::string& hosts);
// 64 bytes there and back on one connection.
int RoundTrips(std::chrono::milliseconds duration, const std::string& hosts);
// Opens so many connections, or as many as it can in that time, exchanges 16 bytes on each, and
// leaves them idle in a process of its own, whose pid it prints, and how many there are.
int Hold(uint64_t count, const std::string& hosts, std::chrono::milliseconds patience);
// connect() to where it has to be refused at once.
int Refused(uint64_t count, const std::string& host, uint16_t port);

// Datagrams as fast as they go for the duration, to a sink that counts what arrives...
int SendDatagrams(std::chrono::milliseconds duration, size_t size, const std::string& host,
                  uint16_t port);
int SinkDatagrams(std::chrono::milliseconds duration, uint16_t port);
// ...and the other way: the source sends to whoever said something to it first.
int SourceDatagrams(std::chrono::milliseconds duration, size_t size, uint16_t port);
int ReceiveDatagrams(std::chrono::milliseconds duration, const std::string& host, uint16_t port);

// A DNS server that knows an address for every name, and a client that asks it for n0.bench.example
// (which is in a cache after the first answer), or for a new name every time.
int ServeNames();
int AskNames(const std::string& server, uint64_t count, bool always_new);

}  // namespace mini::network_load

#endif  // MINI_SANDBOX_BENCH_NETWORK_LOAD_H_
