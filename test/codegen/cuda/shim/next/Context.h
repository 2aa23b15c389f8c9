//===- Context.h - A stack that one can switch to ---------------*- C++ -*-===//
//
// A switch stores what a called function must keep (System V ABI, x86-64) on
// the stack that is left and takes it from the stack that is entered. There is
// no system call: a shuffle of a warp is 32 switches.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_TEST_CODEGEN_CUDA_SHIM_CONTEXT_H
#define MMCC_TEST_CODEGEN_CUDA_SHIM_CONTEXT_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <xmmintrin.h>

// They are there if the process has AddressSanitizer, however this was built.
extern "C" {
void __sanitizer_start_switch_fiber(void **fakeStack, const void *bottom,
                                    size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fakeStack, const void **oldBottom,
                                     size_t *oldSize) __attribute__((weak));
void __asan_poison_memory_region(const volatile void *address, size_t size)
    __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *address, size_t size)
    __attribute__((weak));
}

namespace mmcc::shim {

/// Stores the stack pointer of the one who calls at `from`, goes on at `to`.
[[gnu::naked, gnu::noinline]] inline void switchStacks(void **from, void *to) {
  // The control words of SSE and x87 belong to what a function keeps.
  asm(R"(
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    retq
  )");
}

class Context {
public:
  /// The stack of the machine's thread, once it is left.
  Context() = default;

  /// A stack of its own, on which `entry` begins; it must not return.
  explicit Context(void (*entry)()) {
    size = __sanitizer_start_switch_fiber ? 256 << 10 : 64 << 10;
    memory = mmap(nullptr, kGuard + size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, kGuard, PROT_NONE)) {
      std::perror("CUDA shim: a thread's stack");
      std::abort();
    }
    bottom = static_cast<char *>(memory) + kGuard;
    // As a call leaves it: the address to return to, none, lies at a multiple
    // of 16 less 8.
    auto *top = reinterpret_cast<uint64_t *>(static_cast<char *>(memory) +
                                             kGuard + size);
    *--top = 0;
    *--top = reinterpret_cast<uint64_t>(entry);
    top -= 6; // registers, all zero
    uint16_t x87;
    asm volatile("fnstcw %0" : "=m"(x87));
    *--top = uint64_t(x87) << 32 | _mm_getcsr();
    pointer = top;
  }
  ~Context() {
    if (memory)
      munmap(memory, kGuard + size);
  }
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;

  /// A new context's first act.
  __attribute__((no_sanitize("address"))) static void arrive(void *fakeStack) {
    // The sanitizer tells where the stack that was left lies; for the thread's
    // own there is no other way to know.
    if (__sanitizer_finish_switch_fiber)
      __sanitizer_finish_switch_fiber(fakeStack, &left->bottom, &left->size);
  }

  /// Leaves this one for `to`; returns when this is switched to again.
  __attribute__((no_sanitize("address"))) void leaveFor(Context &to) {
    left = this;
    void *fakeStack = nullptr;
    if (__sanitizer_start_switch_fiber)
      __sanitizer_start_switch_fiber(&fakeStack, to.bottom, to.size);
    switchStacks(&pointer, to.pointer);
    arrive(fakeStack);
  }

private:
  static constexpr size_t kGuard = 4096;
  static inline thread_local Context *left = nullptr;

  void *pointer = nullptr, *memory = nullptr;
  const void *bottom = nullptr;
  size_t size = 0;
};

} // namespace mmcc::shim

#endif // MMCC_TEST_CODEGEN_CUDA_SHIM_CONTEXT_H
