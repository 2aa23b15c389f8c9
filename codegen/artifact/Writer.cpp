#include "codegen/artifact/Writer.h"

#include "codegen/artifact/FileBuilder.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

namespace mmcc::artifact {

ByteSource ByteSource::fromMemory(const void *data, size_t bytes) {
  const uint8_t *from = static_cast<const uint8_t *>(data);
  return {bytes, [from](uint64_t offset, uint8_t *into, size_t count) {
            std::memcpy(into, from + offset, count);
            return true;
          }};
}

ByteSource ByteSource::fromVector(std::vector<uint8_t> data) {
  auto shared = std::make_shared<std::vector<uint8_t>>(std::move(data));
  return {shared->size(),
          [shared](uint64_t offset, uint8_t *into, size_t count) {
            std::memcpy(into, shared->data() + offset, count);
            return true;
          }};
}

namespace {

constexpr size_t kBlockBytes = 1 << 20;
// Smaller constants share segments, which wastes less of the last page.
constexpr uint64_t kSharedSegmentLimit = 64 << 10;

struct Place {
  uint32_t segment;
  uint64_t offset; // in the segment
};

using ContentKey = std::tuple<uint64_t, uint64_t, uint64_t>; // bytes, hash

class Layout {
public:
  Layout(const std::string &path, schema::ProgramT &program)
      : program(program), file(path), block(kBlockBytes) {}

  std::optional<WriteError> write(const std::vector<ByteSource> &constants,
                                  const std::vector<ByteSource> &images,
                                  WriteResult &result);

private:
  std::optional<WriteError> constant(size_t index, const ByteSource &source,
                                     bool shares_segment);
  std::optional<WriteError> image(size_t index, const ByteSource &source);
  std::optional<WriteError> content(const ByteSource &source,
                                    const std::string &name, Hash128 &hash);
  std::optional<WriteError> fromFile() {
    return WriteError{true, file.error()};
  }
  bool openSegment(bool executable);
  void closeSegment();

  schema::ProgramT &program;
  FileBuilder file;
  std::vector<uint8_t> block;
  std::map<ContentKey, Place> stored;
  WriteResult totals;
};

bool Layout::openSegment(bool executable) {
  if (!file.alignTo(kPageBytes))
    return false;
  auto segment = std::make_unique<schema::SegmentT>();
  segment->offset = file.position();
  segment->executable = executable;
  program.segments.push_back(std::move(segment));
  return true;
}

void Layout::closeSegment() {
  schema::SegmentT &segment = *program.segments.back();
  segment.bytes = file.position() - segment.offset;
}

std::optional<WriteError> Layout::content(const ByteSource &source,
                                          const std::string &name,
                                          Hash128 &hash) {
  ContentHash content;
  for (uint64_t offset = 0; offset < source.bytes;) {
    size_t count =
        size_t(std::min<uint64_t>(kBlockBytes, source.bytes - offset));
    std::memset(block.data(), 0, count);
    if (!source.read(offset, block.data(), count))
      return WriteError{false, "cannot produce the bytes of " + name};
    content.update(block.data(), count);
    if (!file.append(block.data(), count))
      return fromFile();
    offset += count;
  }
  hash = content.digest();
  return std::nullopt;
}

std::optional<WriteError>
Layout::constant(size_t index, const ByteSource &source, bool shares_segment) {
  schema::ConstantT &constant = *program.constants[index];
  std::shared_ptr<const FileBuilder::Mark> before = file.mark();
  size_t segments_before = program.segments.size();
  if (!shares_segment && !openSegment(false))
    return fromFile();
  if (shares_segment && !file.alignTo(kConstantAlign))
    return fromFile();

  uint64_t begin = file.position();
  Hash128 hash = {};
  if (auto error = content(source, "constant '" + constant.name + "'", hash))
    return error;
  Place here = {uint32_t(program.segments.size() - 1),
                begin - program.segments.back()->offset};
  auto [known, added] =
      stored.try_emplace(ContentKey(source.bytes, hash.low, hash.high), here);
  bool shared =
      !added && file.sameBytes(begin,
                               program.segments[known->second.segment]->offset +
                                   known->second.offset,
                               source.bytes);
  Place place = shared ? known->second : here;
  if (shared) {
    file.rewind(*before);
    program.segments.resize(segments_before);
  } else {
    totals.stored_constant_bytes += source.bytes;
    if (!shares_segment)
      closeSegment();
  }
  constant.segment = place.segment;
  constant.offset = place.offset;
  constant.bytes = source.bytes;
  totals.constant_bytes += source.bytes;
  return std::nullopt;
}

std::optional<WriteError> Layout::image(size_t index,
                                        const ByteSource &source) {
  schema::VariantT &variant = *program.variants[index];
  if (!openSegment(true))
    return fromFile();
  Hash128 hash;
  if (auto error = content(source, "the code for " + variant.target, hash))
    return error;
  closeSegment();
  variant.image_segment = uint32_t(program.segments.size() - 1);
  variant.image_bytes = source.bytes;
  return std::nullopt;
}

std::optional<WriteError>
Layout::write(const std::vector<ByteSource> &constants,
              const std::vector<ByteSource> &images, WriteResult &result) {
  if (constants.size() != program.constants.size() ||
      images.size() != program.variants.size())
    return WriteError{false, "the program and its bytes do not fit together"};
  if (!file.create())
    return fromFile();
  program.segments.clear();

  auto isSmall = [&](size_t i) {
    return constants[i].bytes <= kSharedSegmentLimit;
  };
  bool any_small = false;
  for (size_t i = 0; i < constants.size(); ++i) {
    if (!isSmall(i))
      continue;
    if (!any_small && !openSegment(false))
      return fromFile();
    any_small = true;
    if (auto error = constant(i, constants[i], true))
      return error;
  }
  if (any_small)
    closeSegment();
  for (size_t i = 0; i < constants.size(); ++i)
    if (!isSmall(i))
      if (auto error = constant(i, constants[i], false))
        return error;
  for (size_t i = 0; i < images.size(); ++i)
    if (auto error = image(i, images[i]))
      return error;

  flatbuffers::FlatBufferBuilder builder(1 << 16);
  builder.Finish(schema::Program::Pack(builder, &program),
                 schema::ProgramIdentifier());
  if (builder.GetSize() > kMaxProgramBytes)
    return WriteError{false, "the program's metadata is larger than 64 MiB"};
  if (!file.alignTo(kPageBytes))
    return fromFile();
  uint64_t program_offset = file.position();
  if (!file.append(builder.GetBufferPointer(), builder.GetSize()) ||
      !file.commit(program_offset, builder.GetSize()))
    return fromFile();
  totals.program_bytes = builder.GetSize();
  totals.file_bytes =
      file.position() + (file.position() - kHeaderBytes + kChunkBytes - 1) /
                            kChunkBytes * sizeof(Hash128);
  result = totals;
  return std::nullopt;
}

} // namespace

std::optional<WriteError>
writeArtifact(const std::string &path, schema::ProgramT &program,
              const std::vector<ByteSource> &constants,
              const std::vector<ByteSource> &images, WriteResult *result) {
  WriteResult ignored;
  return Layout(path, program)
      .write(constants, images, result ? *result : ignored);
}

} // namespace mmcc::artifact
