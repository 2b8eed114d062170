// Runs a fuzz target over its corpus, so that what fuzzing once found stays mended everywhere, also
// where there is no libFuzzer. Every prefix of an input is an input, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxPrefixes = 2000;

TEST(FuzzCorpus, EveryInputAndItsPrefixesPass) {
  size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FUZZ_CORPUS_DIR)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::vector<uint8_t> input(bytes.begin(), bytes.end());
    EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
    for (size_t size = 0; size < std::min(input.size(), kMaxPrefixes); ++size) {
      // A copy of its own, so that a sanitizer sees a read past the prefix.
      const std::vector<uint8_t> prefix(input.begin(), input.begin() + static_cast<long>(size));
      EXPECT_EQ(LLVMFuzzerTestOneInput(prefix.data(), prefix.size()), 0);
    }
    ++inputs;
  }
  EXPECT_GE(inputs, 5u) << "the corpus is missing";
}

}  // namespace
