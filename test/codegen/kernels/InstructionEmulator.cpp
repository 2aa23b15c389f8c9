#include "test/codegen/kernels/InstructionEmulator.h"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <unistd.h>

namespace mmcc::test {

namespace {

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

[[noreturn]] void refuse(const char *reason) {
  // Only what a signal handler may call.
  constexpr char prefix[] = "emulated instruction: ";
  (void)!write(2, prefix, sizeof prefix - 1);
  (void)!write(2, reason, strlen(reason));
  (void)!write(2, "\n", 1);
  std::signal(SIGILL, SIG_DFL);
  std::abort();
}

void require(bool holds, const char *reason) {
  if (!holds)
    refuse(reason);
}

enum Prefix { None, P66, PF3, PF2 };

/// An instruction of three VEX bytes in the map 0F 38.
struct Instruction {
  uint8_t opcode, prefix, vector, mod, reg, rm;
  bool wide; // VEX.L
  uint8_t *base = nullptr;
  int64_t index = 0; // of a memory operand: its base and scaled index
  int64_t length;

  uint8_t *memory() const { return base + index; }
};

int64_t &generalRegister(ucontext_t *context, int number) {
  static constexpr int places[16] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return reinterpret_cast<int64_t &>(
      context->uc_mcontext.gregs[places[number]]);
}

template <typename T> T readAs(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Instruction decode(ucontext_t *context) {
  auto *start =
      reinterpret_cast<const uint8_t *>(context->uc_mcontext.gregs[REG_RIP]);
  require(start[0] == 0xc4 && (start[1] & 0x1f) == 2, "another encoding");
  Instruction i;
  const int r = ~start[1] >> 7 & 1, x = ~start[1] >> 6 & 1,
            b = ~start[1] >> 5 & 1;
  i.vector = ~start[2] >> 3 & 15;
  i.wide = start[2] >> 2 & 1;
  i.prefix = start[2] & 3;
  i.opcode = start[3];
  i.mod = start[4] >> 6;
  i.reg = (start[4] >> 3 & 7) + 8 * r;
  i.rm = (start[4] & 7) + 8 * b;
  const uint8_t *next = start + 5;
  if (i.mod != 3) {
    int64_t address = 0;
    bool hasBase = true;
    int base = i.rm;
    if ((start[4] & 7) == 4) {
      const uint8_t sib = *next++;
      const int index = (sib >> 3 & 7) + 8 * x;
      base = (sib & 7) + 8 * b;
      if (index != 4)
        i.index = generalRegister(context, index) << (sib >> 6);
      hasBase = !((sib & 7) == 5 && i.mod == 0);
    } else {
      require(!(i.mod == 0 && (start[4] & 7) == 5), "an address by rip");
    }
    if (hasBase)
      address = generalRegister(context, base);
    if (i.mod == 1)
      address += readAs<int8_t>(next), next += 1;
    else if (i.mod == 2 || !hasBase)
      address += readAs<int32_t>(next), next += 4;
    i.base = reinterpret_cast<uint8_t *>(address);
  }
  i.length = next - start;
  return i;
}

//===----------------------------------------------------------------------===//
// AVX-VNNI
//===----------------------------------------------------------------------===//

/// A ymm register in the frame's XSAVE area: the lower half where FXSAVE has
/// it, the upper half in its component, which may be marked as all zero.
class YmmRegisters {
public:
  explicit YmmRegisters(ucontext_t *context)
      : area(reinterpret_cast<uint8_t *>(context->uc_mcontext.fpregs)) {
    constexpr uint32_t magic = 0x46505853; // FP_XSTATE_MAGIC1
    require(readAs<uint32_t>(area + 464) == magic, "no extended state");
    auto present = readAs<uint64_t>(area + 512);
    if (present & 4)
      return;
    std::memset(area + kUpper, 0, 256);
    present |= 4;
    std::memcpy(area + 512, &present, sizeof present);
  }
  void read(int number, uint8_t *to) const {
    std::memcpy(to, area + kLower + number * 16, 16);
    std::memcpy(to + 16, area + kUpper + number * 16, 16);
  }
  void write(int number, const uint8_t *from) {
    std::memcpy(area + kLower + number * 16, from, 16);
    std::memcpy(area + kUpper + number * 16, from + 16, 16);
  }

private:
  static constexpr int kLower = 160, kUpper = 576;
  uint8_t *area;
};

void dotProducts(ucontext_t *context, const Instruction &i) {
  require(i.wide && i.prefix == P66, "another dot product");
  YmmRegisters registers(context);
  uint8_t sum[32], a[32], b[32];
  registers.read(i.reg, sum);
  registers.read(i.vector, a);
  if (i.mod == 3)
    registers.read(i.rm, b);
  else
    std::memcpy(b, i.memory(), 32);
  for (int lane = 0; lane < 8; ++lane) {
    auto total = readAs<uint32_t>(sum + lane * 4);
    const uint8_t *x = a + lane * 4, *y = b + lane * 4;
    if (i.opcode == 0x50)
      for (int k = 0; k < 4; ++k)
        total += uint32_t(int32_t(x[k]) * int32_t(int8_t(y[k])));
    else
      for (int k = 0; k < 4; k += 2)
        total += uint32_t(int32_t(readAs<int16_t>(x + k)) *
                          int32_t(readAs<int16_t>(y + k)));
    std::memcpy(sum + lane * 4, &total, 4);
  }
  registers.write(i.reg, sum);
}

//===----------------------------------------------------------------------===//
// AMX
//===----------------------------------------------------------------------===//

struct Tile {
  int rows = 0, rowBytes = 0; // no rows: without a shape
  uint8_t data[16][64];
};

thread_local Tile tiles[8];

Tile &tileAt(int number) {
  require(number < 8 && tiles[number].rows > 0, "a tile without a shape");
  return tiles[number];
}

void configure(const uint8_t *memory) {
  require(memory[0] == 1 && memory[1] == 0, "not palette 1");
  for (int i = 2; i < 16; ++i)
    require(memory[i] == 0, "reserved bytes of the shapes");
  for (int t = 0; t < 16; ++t) {
    const int bytes = readAs<uint16_t>(memory + 16 + 2 * t);
    const int rows = memory[48 + t];
    if (t >= 8) {
      require(!bytes && !rows, "a ninth tile");
      continue;
    }
    require(rows <= 16 && bytes <= 64 && !rows == !bytes,
            "an impossible shape");
    tiles[t].rows = rows;
    tiles[t].rowBytes = bytes;
    std::memset(tiles[t].data, 0, sizeof tiles[t].data);
  }
}

void load(Tile &tile, const Instruction &i) {
  std::memset(tile.data, 0, sizeof tile.data);
  for (int row = 0; row < tile.rows; ++row)
    std::memcpy(tile.data[row], i.base + row * i.index, tile.rowBytes);
}

void store(const Tile &tile, const Instruction &i) {
  for (int row = 0; row < tile.rows; ++row)
    std::memcpy(i.base + row * i.index, tile.data[row], tile.rowBytes);
}

/// Without what is below the normal range.
float flushed(float x) { return std::fabs(x) < 0x1p-126f ? x * 0.0f : x; }

float fromBF16(const uint8_t *from) {
  uint32_t bits = uint32_t(readAs<uint16_t>(from)) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return flushed(value);
}

/// c [m][n] += products of 32-bit lanes of a [m][k] and b [k][n].
template <typename Lane>
void multiply(Tile &c, const Tile &a, const Tile &b, const Lane &lane) {
  require(c.rows == a.rows && c.rowBytes == b.rowBytes &&
              a.rowBytes == b.rows * 4 && b.rowBytes % 4 == 0,
          "shapes that do not go together");
  for (int m = 0; m < c.rows; ++m)
    for (int n = 0; n < c.rowBytes / 4; ++n)
      lane(c.data[m] + n * 4, a.data[m], &b.data[0][n * 4], b.rows);
}

template <typename B>
void multiplyBytes(Tile &c, const Tile &a, const Tile &b) {
  multiply(c, a, b, [](uint8_t *c, const uint8_t *a, const uint8_t *b, int k) {
    auto sum = readAs<uint32_t>(c);
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < 4; ++j)
        sum += uint32_t(int8_t(a[i * 4 + j]) * int32_t(B(b[i * 64 + j])));
    std::memcpy(c, &sum, 4);
  });
}

/// Sums of the even and the odd numbers of K, then of both.
void multiplyBF16(Tile &c, const Tile &a, const Tile &b) {
  multiply(c, a, b, [](uint8_t *c, const uint8_t *a, const uint8_t *b, int k) {
    float part[2] = {};
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < 2; ++j)
        part[j] = flushed(std::fmaf(fromBF16(a + i * 4 + j * 2),
                                    fromBF16(b + i * 64 + j * 2), part[j]));
    float sum = flushed(readAs<float>(c) + flushed(part[0] + part[1]));
    std::memcpy(c, &sum, 4);
  });
}

//===----------------------------------------------------------------------===//
// The handler
//===----------------------------------------------------------------------===//

volatile sig_atomic_t count = 0;

void handle(int, siginfo_t *, void *opaque) {
  auto *context = static_cast<ucontext_t *>(opaque);
  const Instruction i = decode(context);
  const bool isMemory = i.mod != 3;
  if (i.opcode == 0x50 || i.opcode == 0x52) {
    dotProducts(context, i);
  } else if (i.opcode == 0x49 && i.prefix == None && isMemory) {
    configure(i.memory());
  } else if (i.opcode == 0x49 && i.prefix == None) {
    for (Tile &tile : tiles)
      tile.rows = tile.rowBytes = 0;
  } else if (i.opcode == 0x49 && i.prefix == PF2 && !isMemory) {
    std::memset(tileAt(i.reg).data, 0, sizeof(Tile::data));
  } else if (i.opcode == 0x4b && i.prefix == PF2 && isMemory) {
    load(tileAt(i.reg), i);
  } else if (i.opcode == 0x4b && i.prefix == PF3 && isMemory) {
    store(tileAt(i.reg), i);
  } else if (i.opcode == 0x5e || i.opcode == 0x5c) {
    Tile &c = tileAt(i.reg), &a = tileAt(i.rm), &b = tileAt(i.vector);
    require(&c != &a && &c != &b && &a != &b, "a tile twice");
    if (i.opcode == 0x5c)
      require(i.prefix == PF3, "another product"), multiplyBF16(c, a, b);
    else if (i.prefix == PF2)
      multiplyBytes<int8_t>(c, a, b);
    else if (i.prefix == PF3)
      multiplyBytes<uint8_t>(c, a, b);
    else
      refuse("another product");
  } else {
    refuse("unknown");
  }
  context->uc_mcontext.gregs[REG_RIP] += i.length;
  count = count + 1;
}

} // namespace

void emulateInstructions() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGILL, &action, nullptr) != 0) {
    std::perror("sigaction");
    std::abort();
  }
}

uint64_t emulatedInstructions() { return uint64_t(count); }

} // namespace mmcc::test
