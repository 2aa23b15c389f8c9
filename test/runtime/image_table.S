// The image begins with a jump to each kernel, 16 bytes apart.
    .text
    .globl _start
_start:
    .irp name, add_f32, cell_id, count_nonzero, compress, accumulate, float_mode, sum_rows, keep_sum
    .p2align 4, 0xcc
    jmp \name
    .endr
    .p2align 4, 0xcc
    .section .note.GNU-stack, "", @progbits
