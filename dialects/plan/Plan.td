//===- Plan.td - Operations of the plan dialect ---------------*- tablegen -*-===//

include "dialects/plan/PlanBase.td"

def Plan_VariantOp : Plan_Op<"variant", [SymbolTable, NoTerminator, SingleBlock, IsolatedFromAbove]> {
  let summary = "the program for one target";
  let description = [{
    Holds kernels and entries. Constants stand beside the variants, since all
    share them.

    ```mlir
    plan.variant "cpu:x86-64-v4" { ... }
    ```
  }];
  let arguments = (ins StrAttr:$target);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$target attr-dict-with-keyword $body";
}

def Plan_ConstantOp : Plan_Op<"constant", [Symbol]> {
  let summary = "a constant of the artifact: sources, and the layout they are packed in";
  let description = [{
    `layout` is "dense" (row-major elements of the one source, any element
    type), "rounded" (dense, of bf16 or f16 where the source is of f32), "panels16" (a
    matrix `[rows = K, columns = N]` as `[ceil(N/16)][K][16]`, zero-filled),
    repeated `groups` times, "pairs16" (of 16
    bits, with two rows side by side: `[ceil(N/16)][ceil(K/2)][16][2]`), or the lines of
    panels of numbers of 4 or 8 bits that codegen/cpu/kernels/NarrowPanel.h
    shows: "lines8" of i8, "lines4" of i4, "lines4u" of ui4.
    Each piece is a source tensor with the strides (in elements) at which it is
    read and the extents it contributes: for dense and
    rounded, `[offset, n0, s0, n1, s1,
    ...]`; for the others `[offset, group stride, K0, K0 stride, K1, K1 stride, K2,
    K2 stride, N, N stride]` with K = K0 * K1 * K2 (rows and columns of taps,
    channels), pieces following each other along N.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$element_type, StrAttr:$layout, I64Attr:$bytes, I64Attr:$groups,
                       ArrayAttr:$sources, ArrayAttr:$pieces);
  let assemblyFormat = "$sym_name `:` $element_type $layout `bytes` $bytes `groups` $groups `sources` $sources `pieces` $pieces attr-dict";
}

def Plan_KernelOp : Plan_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "one native function, launched on a grid";
  let description = [{
    `row` is "loops" or the name of a row of kernels.inc.

    A **loops** kernel runs its blocks over the index space `extents`, the
    first `parallel` dimensions of which are independent, the rest reduced.
    Blocks run in order for each parallel point. `params` are [rows a cell,
    columns a cell]: the last parallel dimension is cut into pieces of
    `columns`, all earlier ones, flattened, into pieces of `rows`;
    cell x = row piece * column pieces + column piece.

    A **microkernel** kernel's `params` are those of its row, its first
    operands the row's tensors, and `offsets` (elements) their starts. Its
    blocks have the row's roles. Its `extents` are those of the post block's
    index space.

    Of a product, whose cells are m_block rows by n_block columns of [B, M, N],
    more blocks may follow, with the roles of a loops kernel. They run, in order,
    when the cell's results are posted, over the cell's part of `pieces`: [B, M,
    pieces of a row, columns of a piece], the last of which is reduced. A cell has
    whole pieces: n_block is a multiple of their columns, or all of N.

    With `local` the body's last argument is no operand of a launch, but f32
    memory of the cell's own in the scratch, from that byte on: m_block rows of
    n_block elements. Maps see it as if it held all rows: element (b, m, n) is
    at (b * M + m) * n_block + n.

    `written` has the indices of the operands that the kernel writes, all
    others are only read. `scratch` is in bytes.

    ```mlir
    plan.kernel @add row "loops" extents affine_map<() -> (64, 768)> parallel 2
        params affine_map<() -> (16, 768)> offsets affine_map<() -> ()> scratch affine_map<() -> (0)>
        written [1] {
    ^bb0(%x: !plan.buffer<f32>, %y: !plan.buffer<f32>):
      plan.block "map" {
      ^bb0(%i: index, %j: index):
        %v = plan.load %x[affine_map<(d0, d1) -> (d0 * 768 + d1)>(%i, %j)] : !plan.buffer<f32>
        %w = arith.addf %v, %v : f32
        plan.store %w, %y[affine_map<(d0, d1) -> (d0 * 768 + d1)>(%i, %j)] : f32, !plan.buffer<f32>
        plan.yield
      }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$row, AffineMapAttr:$extents, I64Attr:$parallel, AffineMapAttr:$params,
                       AffineMapAttr:$offsets, AffineMapAttr:$scratch, DenseI64ArrayAttr:$written,
                       OptionalAttr<AffineMapAttr>:$pieces, OptionalAttr<I64Attr>:$local);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `row` $row `extents` $extents `parallel` $parallel `params` $params `offsets` $offsets
    `scratch` $scratch `written` $written (`pieces` $pieces^)? (`local` $local^)? attr-dict-with-keyword $body
  }];
  let extraClassDeclaration = [{
    /// Arguments that a launch has operands for.
    unsigned getOperandCount() { return getBody().getNumArguments() - (getLocal() ? 1 : 0); }
  }];
  let hasVerifier = 1;
}

def Plan_BlockOp : Plan_Op<"block", [HasParent<"KernelOp">, SingleBlock]> {
  let summary = "scalar computation at one point of an index space";
  let description = [{
    Arguments are the indices, then values. Body: arith, math, `plan.load`,
    `plan.store`, `plan.size`, closed by `plan.yield`.

    Roles in a loops kernel: "map" (runs over all dimensions and stores),
    "reduce" (runs over all dimensions and yields what `combine` (sum, max,
    min, prod) accumulates over the reduced ones), "finish" (runs over the
    parallel dimensions only and stores). A block has as values the results of
    all reduce blocks before it. "sequential" runs over all points in row-major
    order, one thread, for what has an order.
    `combine` "argmax" and "argmin" accumulate a pair (value, i64 index) with
    the first index winning.

    In a microkernel's kernel: "post" (indices as kernels.inc says, then the
    accumulated f32; stores) and "score" (likewise; yields the new score); over
    its pieces "map", "reduce" and "finish".
  }];
  let arguments = (ins StrAttr:$role, OptionalAttr<StrAttr>:$combine);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$role (`combine` $combine^)? attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Plan_YieldOp : Plan_Op<"yield", [Terminator, Pure, HasParent<"BlockOp">]> {
  let summary = "ends a block with its results";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Plan_LoadOp : Plan_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "reads one element; the map gives its linear index";
  let description = [{
    Map dimensions are the given indices (block indices or computed ones), map
    symbols the kernel's. 1-bit elements are stored as bytes 0 and 1.
  }];
  let arguments = (ins Plan_BufferType:$buffer, Variadic<Index>:$indices, AffineMapAttr:$map);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$buffer `[` $map `(` $indices `)` `]` attr-dict `:` type($buffer) `->` type($result)";
}

def Plan_StoreOp : Plan_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "writes one element; the map gives its linear index";
  let arguments = (ins AnyType:$value, Plan_BufferType:$buffer, Variadic<Index>:$indices, AffineMapAttr:$map);
  let assemblyFormat = "$value `,` $buffer `[` $map `(` $indices `)` `]` attr-dict `:` type($value) `,` type($buffer)";
}

def Plan_SizeOp : Plan_Op<"size", [Pure]> {
  let summary = "an expression of the kernel's symbols as a value";
  let arguments = (ins AffineMapAttr:$map);
  let results = (outs Index:$result);
  let assemblyFormat = "$map attr-dict";
}

def Plan_EntryOp : Plan_Op<"entry", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "an entry point: buffers in and out, and the list of commands";
  let description = [{
    Block arguments are the input buffers, then the output buffers. `symbols`
    name s0, s1, ...; `ranges` holds lo, hi pairs (hi -1: unbounded).
    `shapes` has one affine map (no dimensions, over the symbols) an argument.
    A symbol's value is the size of the first input dimension that is this
    symbol alone; every other dimension is a constraint. `absences` names other
    entries of the variant that stand in for this one in calls that leave out
    inputs, and which ones: `{"chat-without-image" = ["image.pixels"]}`. `plain`
    names the entry that takes and gives as tensors what this one keeps as state.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$symbols, DenseI64ArrayAttr:$ranges, StrArrayAttr:$input_names,
                       StrArrayAttr:$output_names, ArrayAttr:$element_types, ArrayAttr:$shapes, OptionalAttr<AffineMapAttr>:$arena_bytes,
                       OptionalAttr<DictionaryAttr>:$absences, OptionalAttr<StrAttr>:$plain);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `symbols` $symbols `ranges` $ranges `inputs` $input_names `outputs` $output_names
    `types` $element_types `shapes` $shapes (`arena` $arena_bytes^)? (`absences` $absences^)?
    (`plain` $plain^)? attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def Plan_AllocOp : Plan_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a buffer of `elements` elements in the arena";
  let description = [{
    `offset` (bytes) is set by the schedule; without it the runtime places the
    buffer, from its lifetime, once per shape.
  }];
  let arguments = (ins AffineMapAttr:$elements, OptionalAttr<AffineMapAttr>:$offset);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$elements (`offset` $offset^)? attr-dict `:` type($result)";
}

def Plan_StateOp : Plan_Op<"state"> {
  let summary = "memory that outlives a call, in blocks of tokens";
  let description = [{
    The state `name` of the entry. It holds `length` tokens before the call (one
    symbol of the entry, whose value it is) and `rows` more after it. A block is
    `[batch, heads, block_tokens, width]` of the element type; if it is
    `scaled`, each head's elements are followed by `block_tokens` f32 scales. A
    kernel that is given a state gets the address of a table of the addresses of
    its blocks: token t is token t mod block_tokens of block t floordiv
    block_tokens. The kernels that append are in the entry's list of commands.
  }];
  let arguments = (ins StrAttr:$name, AffineMapAttr:$batch, I64Attr:$heads, I64Attr:$width, I64Attr:$block_tokens,
                       AffineMapAttr:$length, AffineMapAttr:$rows, UnitAttr:$scaled);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = [{
    $name `batch` $batch `heads` $heads `width` $width `block` $block_tokens
    `length` $length `rows` $rows (`scaled` $scaled^)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Plan_GetConstantOp : Plan_Op<"get_constant", [Pure]> {
  let summary = "the buffer of a constant";
  let description = [{
    With `columns` a constant of panels is brought into another order while it
    is uploaded to a GPU: the numbers of a column follow each other, and columns,
    as many as panels have, are a multiple of 16 bytes apart. Panels whose lines
    have words (pairs16, lines8) keep the words. If the buffer is of bf16 and the
    constant, panels16, of f32, numbers are rounded to the nearest.
  }];
  let arguments = (ins FlatSymbolRefAttr:$constant, UnitAttr:$columns);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$constant (`columns` $columns^)? attr-dict `:` type($result)";
}

def Plan_DispatchOp : Plan_Op<"dispatch", [AttrSizedOperandSegments]> {
  let summary = "runs a kernel once per cell of a grid";
  let description = [{
    `grid` has three results, `sizes` one for each symbol of the kernel, all
    over the entry's symbols. `flops` estimates the arithmetic: a launch too
    small to share stays on one thread, and reports show it. `independent`
    launches do not wait for the command before them.

    Launches of one `stream` (default 0) follow each other, those of different
    ones may run at the same time. `waits` names streams whose launches so far
    are to be finished first.

    `library` names a library's function that computes the same, where there is
    the library, from operands and sizes of its own and by a `form`.
    "cublaslt.matmul" (runtime/schema/program.fbs) is given weights, activations,
    the result, then the bias and the residual that the form has, and m, n, k,
    from one row of activations and one column of weights to the next, and the
    element at which activations begin. What it writes is an operand of the
    kernel.

    ```mlir
    plan.dispatch @gemm grid ... sizes ... (%x, %w, %b, %y) : ...
        library "cublaslt.matmul" form "bias" sizes affine_map<()[s0] -> (s0, 768, 3072, 3072, 3072, 0)>
        (%w, %x, %y, %b) : !plan.buffer<bf16>, !plan.buffer<bf16>, !plan.buffer<f32>, !plan.buffer<f32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, AffineMapAttr:$grid, AffineMapAttr:$sizes, Variadic<Plan_BufferType>:$kernel_operands,
                       OptionalAttr<AffineMapAttr>:$flops, UnitAttr:$independent,
                       OptionalAttr<I64Attr>:$stream, OptionalAttr<DenseI64ArrayAttr>:$waits,
                       OptionalAttr<StrAttr>:$library, OptionalAttr<StrAttr>:$form, OptionalAttr<AffineMapAttr>:$library_sizes,
                       Variadic<Plan_BufferType>:$library_operands);
  let assemblyFormat = [{
    $kernel `grid` $grid `sizes` $sizes (`flops` $flops^)? (`independent` $independent^)?
    (`stream` $stream^)? (`waits` $waits^)? `(` $kernel_operands `)` attr-dict `:` type($kernel_operands)
    (`library` $library^ `form` $form `sizes` $library_sizes `(` $library_operands `)` `:` type($library_operands))?
  }];
}

def Plan_CopyOp : Plan_Op<"copy"> {
  let summary = "copies the first `bytes` bytes";
  let arguments = (ins Plan_BufferType:$source, Plan_BufferType:$target, AffineMapAttr:$bytes);
  let assemblyFormat = "$source `to` $target `bytes` $bytes attr-dict `:` type($source) `to` type($target)";
}
