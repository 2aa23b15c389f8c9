/* The public header is C11. */
#include <mmcc/runtime.h>

_Static_assert(sizeof(mmcc_error) == 1024, "part of the ABI");
_Static_assert(offsetof(mmcc_tensor, dims) == 8, "part of the ABI");
_Static_assert(sizeof(mmcc_tensor) == 8 + 16 * 8 + 16, "part of the ABI");

unsigned bits_from_c(void) { return mmcc_dtype_bits(MMCC_F32); }
