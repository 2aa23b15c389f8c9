// One lie at a time, in an otherwise sound artifact.

#include "test/runtime/TestArtifact.h"

#include "runtime/loader/CpuLevel.h"
#include "runtime/schema/ArtifactFile.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace mmcc::test {
namespace {

using namespace schema;

void expectRefused(const std::function<void(TestArtifact &)> &lie,
                   const std::string &expected,
                   mmcc_code code = MMCC_INVALID_FILE) {
  TestArtifact t = addArtifact();
  t.constant("weights", {1, 2, 3});
  t.buffer(BufferKind::constant, 0, t.e.constant(12));
  t.arena(t.e.constant(64), 0, 0);
  t.e.store(t.entry());
  std::string path = temporaryPath("lie.mmcc");
  // Lies about segments have to come after the writer has filled them in.
  ASSERT_FALSE(artifact::writeArtifact(path, t.program, t.constants, t.images));
  lie(t);
  std::vector<uint8_t> file = readFile(path);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Program::Pack(builder, &t.program), ProgramIdentifier());
  artifact::FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  file.resize(header.program_offset);
  file.insert(file.end(), builder.GetBufferPointer(),
              builder.GetBufferPointer() + builder.GetSize());
  file.resize((file.size() + 15) / 16 * 16);
  header.program_bytes = builder.GetSize();
  header.table_offset = file.size();
  file.resize(file.size() + header.chunk_count * 16);
  header.file_bytes = file.size();
  std::memcpy(file.data(), &header, sizeof(header));
  rehash(file);
  writeFile(path, file);

  Error error = {};
  Model model = Model::load(path, error);
  EXPECT_FALSE(bool(model)) << expected;
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_NE(std::string(error.message).find(expected), std::string::npos)
      << error.message;
}

DispatchT &dispatchOf(TestArtifact &t) {
  return *t.entry().blocks[0]->commands[0]->body.AsDispatch();
}

TEST(Verifier, program) {
  expectRefused([](TestArtifact &t) { t.program.revision = 6; }, "revision 6",
                MMCC_UNSUPPORTED);
  expectRefused([](TestArtifact &t) { t.program.features = {"teleport"}; },
                "teleport", MMCC_UNSUPPORTED);
  expectRefused([](TestArtifact &t) { t.program.variants.clear(); },
                "no variant");
  expectRefused([](TestArtifact &t) { t.program.variants[0]->entries.clear(); },
                "has no entry");
  expectRefused([](TestArtifact &t) { t.program.variants[0]->entries = {1}; },
                "entry that does not exist");
  expectRefused(
      [](TestArtifact &t) { t.program.variants[0]->entries = {0, 0}; },
      "two entries of one name");
}

TEST(Verifier, segments) {
  expectRefused([](TestArtifact &t) { t.program.segments[0]->offset = 0; },
                "segment 0 overlaps");
  expectRefused([](TestArtifact &t) { t.program.segments[1]->offset += 1; },
                "not page-aligned");
  expectRefused([](TestArtifact &t) { t.program.segments[1]->bytes = ~0ull; },
                "segment 1 overlaps");
  expectRefused(
      [](TestArtifact &t) { t.program.segments[0]->executable = true; },
      "lies in a code segment");
  expectRefused(
      [](TestArtifact &t) { t.program.segments[1]->executable = false; },
      "not within a code segment");
}

TEST(Verifier, constants_and_kernels) {
  expectRefused([](TestArtifact &t) { t.program.constants[0]->segment = 9; },
                "segment that does not exist");
  expectRefused([](TestArtifact &t) { t.program.constants[0]->bytes = 13; },
                "leaves its segment");
  expectRefused(
      [](TestArtifact &t) { t.program.constants[0]->offset = ~0ull - 3; },
      "leaves its segment");
  expectRefused([](TestArtifact &t) { t.program.constants[0]->dims = {4}; },
                "not that of its shape");
  expectRefused(
      [](TestArtifact &t) {
        t.program.constants[0]->dims = {1ull << 62, 1ull << 62};
      },
      "not that of its shape");
  expectRefused(
      [](TestArtifact &t) { t.program.variants[0]->image_bytes = 1 << 20; },
      "not within a code segment");
  expectRefused(
      [](TestArtifact &t) {
        t.program.variants[0]->kernels[3]->entry_offset = 1 << 20;
      },
      "kernel 3 begins outside the code");
  expectRefused(
      [](TestArtifact &t) {
        auto function = std::make_unique<KernelT>();
        function->entry_offset = 1 << 20;
        t.program.variants[0]->functions.push_back(std::move(function));
      },
      "function 0 begins outside the code");
  expectRefused(
      [](TestArtifact &t) {
        t.program.variants[0]->kernels[3]->code_bytes = ~0ull;
      },
      "kernel 3 ends outside the code");
  expectRefused(
      [](TestArtifact &t) {
        t.program.variants[0]->kernels[3]->threads = 2048;
      },
      "kernel 3 asks for too many threads");
  expectRefused(
      [](TestArtifact &t) {
        t.program.variants[0]->kernels[3]->scratch_bytes = 1ull << 40;
      },
      "too much scratch");
}

TEST(Verifier, entry) {
  expectRefused([](TestArtifact &t) { t.entry().expr_end[0] = 1000; },
                "expression 0 has an impossible length");
  expectRefused([](TestArtifact &t) { t.entry().expr_code[1] = 77; },
                "symbol that does not exist");
  expectRefused([](TestArtifact &t) { t.entry().expr_code.push_back(0); },
                "words that belong to none");
  expectRefused([](TestArtifact &t) { t.entry().inputs[1]->dims = {99}; },
                "input 1: dimension 0");
  expectRefused(
      [](TestArtifact &t) {
        t.entry().inputs[1]->dims = std::vector<uint32_t>(17, 0);
      },
      "more than 16");
  expectRefused([](TestArtifact &t) { t.entry().inputs[1]->name = "a"; },
                "repeats");
  expectRefused(
      [](TestArtifact &t) { t.entry().outputs[0]->dtype = DType(99); },
      "output 0 has an unknown element type");
  expectRefused([](TestArtifact &t) { t.entry().symbols[0]->input = 2; },
                "input that does not exist");
  expectRefused([](TestArtifact &t) { t.entry().symbols[0]->dim = 1; },
                "dimension that does not exist");
  expectRefused([](TestArtifact &t) { t.entry().symbols[0]->hi = 0; },
                "impossible range");
  expectRefused([](TestArtifact &t) { t.entry().symbols[0]->scale = 0; },
                "scale");
  expectRefused(
      [](TestArtifact &t) {
        t.entry().symbols[0]->origin = SymbolOrigin::command;
      },
      "never defined");
}

TEST(Verifier, buffers) {
  expectRefused([](TestArtifact &t) { t.entry().buffers[0]->index = 2; },
                "buffer 0 refers to something");
  expectRefused([](TestArtifact &t) { t.entry().buffers[0]->size = 99; },
                "buffer 0 refers to an expression");
  expectRefused([](TestArtifact &t) { t.entry().buffers[0]->offset = 0; },
                "not in the arena");
  expectRefused([](TestArtifact &t) { t.entry().buffers[4]->align = 3; },
                "impossible alignment");
  expectRefused([](TestArtifact &t) { t.entry().buffers[4]->last_command = 5; },
                "impossible lifetime");
  expectRefused(
      [](TestArtifact &t) { t.entry().buffers[4]->kind = BufferKind(9); },
      "unknown kind");
}

TEST(Verifier, columns) {
  auto refused = [](const std::function<void(TestArtifact &)> &lie,
                    const std::string &expected) {
    expectRefused(
        [&](TestArtifact &t) {
          ConstantT &constant = *t.program.constants[0];
          constant.layout = "panels16";
          constant.dims = {1, 4};
          constant.bytes = 64;
          t.program.segments[constant.segment]->bytes = 128;
          uint32_t weight = t.buffer(BufferKind::constant, 0, t.e.constant(64));
          t.entry().buffers[weight]->columns = true;
          t.e.store(t.entry());
          lie(t);
        },
        expected);
  };
  const std::string none = "has no panels that could be columns";
  // All is right, but a CPU cannot do it.
  refused([](TestArtifact &) {}, "of an entry is for GPUs");
  refused([](TestArtifact &t) { t.program.constants[0]->layout = "lines4"; },
          none);
  refused([](TestArtifact &t) { t.program.constants[0]->layout = ""; },
          "not that of its shape");
  refused([](TestArtifact &t) { t.program.constants[0]->dims = {2, 4}; }, none);
  refused([](TestArtifact &t) { t.program.constants[0]->dims = {4}; }, none);
  refused([](TestArtifact &t) { t.program.constants[0]->dims = {0, 4}; }, none);
  refused(
      [](TestArtifact &t) {
        t.program.constants[0]->dims = {1ull << 40, 1ull << 40};
      },
      none);
  refused(
      [](TestArtifact &t) {
        t.program.constants[0]->dims = {1ull << 47, 1ull << 47, 1ull << 47};
      },
      none);
  refused(
      [](TestArtifact &t) {
        t.program.constants[0]->dtype = DType::f64;
        t.program.constants[0]->bytes = 128;
      },
      none);
  refused(
      [](TestArtifact &t) {
        t.entry().buffers[4]->columns = true; // in the arena
      },
      none);
  // Of f32, to bf16 is all that is rounded, and in columns only.
  refused(
      [](TestArtifact &t) { t.entry().buffers.back()->rounded = DType::f16; },
      none);
  refused(
      [](TestArtifact &t) {
        t.program.constants[0]->dtype = DType::i32;
        t.entry().buffers.back()->rounded = DType::bf16;
      },
      none);
  refused(
      [](TestArtifact &t) {
        t.entry().buffers.back()->columns = false;
        t.entry().buffers.back()->rounded = DType::bf16;
        t.program.constants[0]->layout = "dense";
      },
      none);
}

TEST(Verifier, states) {
  auto refused = [](const std::function<void(TestArtifact &, StateT &)> &lie,
                    const std::string &expected) {
    expectRefused(
        [&](TestArtifact &t) {
          t.program.revision = 3;
          t.state("kept", DType::i8, t.e.constant(1), 2, 8, t.e.symbol(0));
          t.buffer(BufferKind::state, 0, t.e.constant(0));
          t.e.store(t.entry());
          lie(t, *t.entry().states[0]);
        },
        expected);
  };
  using T = TestArtifact;
  refused([](T &, StateT &s) { s.name = ""; },
          "state 0 has an impossible name");
  refused(
      [](T &t, StateT &) {
        t.state("kept", DType::f32, t.e.constant(1), 2, 8, t.e.symbol(0));
        t.e.store(t.entry());
      },
      "state 1 repeats another one's name");
  refused([](T &, StateT &s) { s.dtype = DType::f64; },
          "of a type that is not kept");
  refused([](T &, StateT &s) { s.scaled = false; }, "has scales where");
  refused([](T &, StateT &s) { s.dims.pop_back(); }, "an impossible type");
  refused([](T &, StateT &s) { s.dims[0] = 9999; },
          "refers to an expression that does not exist");
  refused([](T &, StateT &s) { s.dims[1] = s.appended; },
          "heads or elements that are no fixed number");
  refused([](T &, StateT &s) { s.appended = 9999; },
          "refers to an expression that does not exist");
  for (uint32_t tokens : {0u, 8u, 65u, 1u << 20})
    refused([=](T &, StateT &s) { s.block_tokens = tokens; },
            "blocks of an impossible size");
  refused([](T &t, StateT &) { t.entry().plain = std::string(1, '\0'); },
          "plain form has an impossible name");
  // The addresses of a state's blocks are for kernels alone.
  refused(
      [](T &t, StateT &) {
        CopyT copy;
        uint32_t kept = uint32_t(t.entry().buffers.size() - 1);
        copy.source = std::make_unique<Operand>(operand(0, kRead));
        copy.target = std::make_unique<Operand>(operand(kept, kWrite));
        t.command().body.Set(std::move(copy));
      },
      "its target is a part of a state");
  refused(
      [](T &t, StateT &) {
        uint32_t kept = uint32_t(t.entry().buffers.size() - 1);
        dispatchOf(t).operands[0] = operand(kept, kRead, 0);
      },
      "an operand is a part of a state");
  refused(
      [](T &t, StateT &) {
        t.entry().symbols[0]->origin = SymbolOrigin::state_length;
        t.entry().symbols[0]->input = 1;
      },
      "comes from a state that does not exist");
}

TEST(Verifier, maps) {
  auto expectMapRefused = [](const std::function<void(TensorMapT &)> &lie,
                             const std::string &expected) {
    expectRefused(
        [&](TestArtifact &t) {
          auto map = std::make_unique<TensorMapT>();
          map->box_rows = 64;
          lie(*map);
          dispatchOf(t).maps.push_back(std::move(map));
        },
        "command 0: " + expected);
  };
  expectMapRefused([](TensorMapT &map) { map.operand = 3; },
                   "a map's operand does not exist");
  for (uint32_t rows : {0, 257})
    expectMapRefused([=](TensorMapT &map) { map.box_rows = rows; },
                     "a map's box is impossible");
  for (auto extent :
       {&TensorMapT::offset, &TensorMapT::length, &TensorMapT::rows,
        &TensorMapT::batches, &TensorMapT::row_pitch, &TensorMapT::batch_pitch})
    expectMapRefused([=](TensorMapT &map) { map.*extent = 1000; },
                     "a map's extent is an expression that does not exist");
}

TEST(Verifier, fills_never_reach_an_input) {
  expectRefused(
      [](TestArtifact &t) {
        FillT fill;
        fill.target = std::make_unique<Operand>(operand(0, kRead));
        t.command().body.Set(std::move(fill));
      },
      "command 1: its target writes to an input or a constant");
}

TEST(Verifier, commands) {
  expectRefused([](TestArtifact &t) { dispatchOf(t).kernel = kernel_count; },
                "command 0: its kernel does not exist");
  expectRefused([](TestArtifact &t) { dispatchOf(t).grid_y = 99; },
                "the grid is an expression that does not exist");
  expectRefused([](TestArtifact &t) { dispatchOf(t).sizes[0] = 99; },
                "a size is an expression");
  expectRefused([](TestArtifact &t) { dispatchOf(t).scratch = -2; },
                "the scratch");
  expectRefused(
      [](TestArtifact &t) { dispatchOf(t).operands[0] = operand(9, kRead); },
      "buffer that does not exist");
  expectRefused(
      [](TestArtifact &t) { dispatchOf(t).operands[0] = operand(0, kWrite); },
      "writes to an input or a constant");
  expectRefused(
      [](TestArtifact &t) {
        dispatchOf(t).operands[0] = operand(0, kRead, 99);
      },
      "an offset is an expression");
  expectRefused(
      [](TestArtifact &t) { t.entry().blocks[0]->commands[0]->node = 0; },
      "node name");
  expectRefused(
      [](TestArtifact &t) { t.entry().blocks[0]->commands[0]->stream = 1; },
      "stream");
  expectRefused(
      [](TestArtifact &t) {
        BranchT branch;
        branch.condition = std::make_unique<Operand>(operand(0, kRead));
        branch.then_block = 0;
        t.command().body.Set(std::move(branch));
      },
      "impossible block");
  expectRefused(
      [](TestArtifact &t) {
        LoopT loop;
        loop.body = 1;
        t.entry().blocks.push_back(std::make_unique<BlockT>());
        t.command().body.Set(std::move(loop));
      },
      "loop without an end");
  expectRefused(
      [](TestArtifact &t) {
        LibraryCallT call;
        call.function = "cublaslt.matmul";
        t.command().body.Set(std::move(call));
      },
      "LibraryCall", MMCC_UNSUPPORTED);
}

/// A sound form for a library of the first dispatch.
LibraryCallT &libraryOf(TestArtifact &t) {
  std::unique_ptr<LibraryCallT> &call = dispatchOf(t).library;
  call = std::make_unique<LibraryCallT>();
  call->function = "cublaslt.matmul";
  call->operands = {operand(0, kRead), operand(1, kRead), operand(2, kWrite)};
  call->sizes = {0, 0, 0, 0, 0};
  call->attributes.push_back(std::make_unique<KeyValueT>());
  call->attributes[0]->key = "form";
  return *call;
}

TEST(Verifier, library_calls) {
  TestArtifact good = addArtifact();
  libraryOf(good);
  Error error = {};
  EXPECT_TRUE(bool(Model::load(good.write("good.mmcc"), error)))
      << error.message;
  expectRefused(
      [](TestArtifact &t) { libraryOf(t).operands[0] = operand(99, kRead); },
      "an operand is a buffer that does not exist");
  expectRefused(
      [](TestArtifact &t) { libraryOf(t).operands[1] = operand(0, kRead, 99); },
      "an offset is an expression");
  expectRefused(
      [](TestArtifact &t) { libraryOf(t).operands[1] = operand(0, kRead, -2); },
      "an offset is an expression");
  expectRefused([](TestArtifact &t) { libraryOf(t).sizes[2] = 99; },
                "a size is an expression");
  // Whatever the access bits say.
  expectRefused(
      [](TestArtifact &t) { libraryOf(t).operands[2] = operand(0, kRead); },
      "writes to an input or a constant");
  const char *nonsense = "its library call makes no sense";
  expectRefused([](TestArtifact &t) { libraryOf(t).operands.pop_back(); },
                nonsense);
  expectRefused([](TestArtifact &t) { libraryOf(t).sizes.pop_back(); },
                nonsense);
  expectRefused([](TestArtifact &t) { libraryOf(t).sizes.push_back(0); },
                nonsense);
  expectRefused([](TestArtifact &t) { libraryOf(t).attributes.clear(); },
                nonsense);
  for (const char *form : {"bias", "residual,gelu", "relu,gelu", "relu,relu",
                           "erf", ",", "bf16", "f16,,relu", "gelu relu"})
    expectRefused(
        [=](TestArtifact &t) { libraryOf(t).attributes[0]->value = form; },
        nonsense);
  // A library that this runtime does not know: what it is given is checked.
  expectRefused(
      [](TestArtifact &t) {
        libraryOf(t).function = "other";
        dispatchOf(t).library->operands.push_back(operand(99, kRead));
      },
      "an operand is a buffer that does not exist");
}

// What depends on the call is checked at the call.
TEST(Verifier, an_operand_must_stay_inside_its_buffer) {
  TestArtifact t = addArtifact();
  uint32_t past_the_end = t.e.mul(t.e.symbol(0), t.e.constant(5));
  dispatchOf(t).operands[0] = operand(0, kRead, -1, int32_t(past_the_end));
  Loaded loaded(t.write("operand.mmcc"), 1);
  std::vector<float> data(8);
  Tensor tensor = tensorOf(MMCC_F32, {8}, data);
  std::vector<Tensor> outputs;
  Error error = {};
  EXPECT_FALSE(loaded.session.run({tensor, tensor}, outputs, error));
  EXPECT_STREQ(error.message,
               "entry 'main': command 0: an operand leaves its buffer: 40 "
               "bytes at 0 of buffer 0, which has 32");
}

// A plan that failed is not taken for one that fits, even without symbols.
TEST(Verifier, a_failure_repeats) {
  TestArtifact t;
  t.output("out", DType::u8, {t.e.constant(8)});
  FillT fill;
  fill.target = std::make_unique<Operand>(
      operand(t.buffer(BufferKind::output, 0, t.e.constant(8)), kWrite));
  fill.bytes = t.e.constant(9);
  t.command().body.Set(std::move(fill));
  Loaded loaded(t.write("again.mmcc"), 1);
  std::vector<Tensor> outputs;
  Error error = {};
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(loaded.session.run({}, outputs, error));
}

TEST(Verifier, levels_are_chosen_and_forced) {
  TestArtifact t = addArtifact();
  for (const char *target : {"cpu:x86-64-v4", "cuda:sm_90a"}) {
    auto variant = std::make_unique<VariantT>(*t.program.variants[0]);
    variant->target = target;
    t.program.variants.push_back(std::move(variant));
    t.images.push_back(t.images[0]);
  }
  std::string path = t.write("levels.mmcc");
  mmcc_model_options options = {};
  options.struct_bytes = sizeof(options);
  options.isa = "x86-64-v3";
  Error error = {};
  Model model = Model::load(path, error, &options);
  ASSERT_TRUE(bool(model)) << error.message;
  EXPECT_STREQ(mmcc_model_isa(model.get()), "x86-64-v3");
  options.isa = "x86-64-v9";
  EXPECT_FALSE(bool(Model::load(path, error, &options)));
  EXPECT_EQ(error.code, MMCC_INVALID_ARGUMENT);
  TestArtifact gpu("main", "cuda:sm_90a");
  EXPECT_FALSE(bool(Model::load(gpu.write("gpu.mmcc"), error)));
  EXPECT_EQ(error.code, MMCC_NO_DEVICE);
}

/// A level runs its own code or that of the level it extends, and no other.
TEST(Verifier, levels_serve_those_that_extend_them) {
  using runtime::CpuLevel;
  auto from = [](CpuLevel code) {
    std::vector<CpuLevel> levels;
    for (int i = 0; i < runtime::kCpuLevelCount; ++i)
      if (runtime::serves(code, CpuLevel(i)))
        levels.push_back(CpuLevel(i));
    return levels;
  };
  using Levels = std::vector<CpuLevel>;
  EXPECT_EQ(from(CpuLevel::v3), (Levels{CpuLevel::v3, CpuLevel::v3_avxvnni}));
  EXPECT_EQ(from(CpuLevel::v3_avxvnni), (Levels{CpuLevel::v3_avxvnni}));
  EXPECT_EQ(from(CpuLevel::v4),
            (Levels{CpuLevel::v4, CpuLevel::v4_vnni_bf16, CpuLevel::v4_amx}));
  EXPECT_EQ(from(CpuLevel::v4_amx), (Levels{CpuLevel::v4_amx}));
}

} // namespace
} // namespace mmcc::test
