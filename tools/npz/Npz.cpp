#include "tools/npz/Npz.h"

#include <cstring>
#include <memory>
#include <sys/stat.h>
#include <unordered_set>
#include <zip.h>

namespace mmcc::npz {

namespace {

struct Discard {
  void operator()(zip_t *archive) const { zip_discard(archive); }
};
struct CloseFile {
  void operator()(zip_file_t *file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using ArchiveFile = std::unique_ptr<zip_file_t, CloseFile>;

std::string openError(const std::string &path, int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = path + ": " + zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

bool readExactly(zip_file_t *file, void *into, uint64_t bytes) {
  char *position = static_cast<char *>(into);
  while (bytes > 0) {
    zip_int64_t count = zip_fread(file, position, bytes);
    if (count <= 0)
      return false;
    position += count;
    bytes -= uint64_t(count);
  }
  return true;
}

/// Element (i0, i1, ...) of a Fortran-ordered array lies at i0 + d0 * (i1 +
/// ...).
void fortranToRowMajor(Array &array) {
  size_t rank = array.dims.size(), bytes = array.type.bytes;
  if (rank < 2 || array.data.empty())
    return;
  std::vector<uint8_t> result(array.data.size());
  std::vector<int64_t> index(rank, 0);
  int64_t count = array.elements();
  for (int64_t position = 0; position < count; ++position) {
    int64_t source = 0;
    for (size_t d = rank; d-- > 0;)
      source = source * array.dims[d] + index[d];
    std::memcpy(&result[size_t(position) * bytes],
                &array.data[size_t(source) * bytes], bytes);
    for (size_t d = rank; d-- > 0 && ++index[d] == array.dims[d];)
      index[d] = 0;
  }
  array.data = std::move(result);
}

std::string readArray(zip_t *archive, const zip_stat_t &stat,
                      uint64_t file_bytes, Array &array) {
  ArchiveFile file(zip_fopen_index(archive, stat.index, 0));
  if (!file)
    return std::string("it cannot be read: ") + zip_strerror(archive);
  // Deflate shrinks by a factor of 1032 at most: what claims more is a lie.
  constexpr uint64_t max_ratio = 1032;
  if (stat.comp_size > file_bytes || stat.size / max_ratio > stat.comp_size ||
      (stat.comp_method == ZIP_CM_STORE && stat.size != stat.comp_size))
    return "its size in the archive is impossible";

  char prefix[kNpyPrefixBytes];
  uint64_t header_bytes = 0;
  if (stat.size < kNpyPrefixBytes ||
      !readExactly(file.get(), prefix, kNpyPrefixBytes))
    return "it is truncated";
  if (std::string error =
          npyHeaderBytes({prefix, kNpyPrefixBytes}, header_bytes);
      !error.empty())
    return error;
  if (header_bytes < kNpyPrefixBytes || header_bytes > stat.size)
    return "it is truncated";
  std::string text(header_bytes, '\0');
  std::memcpy(text.data(), prefix, kNpyPrefixBytes);
  if (!readExactly(file.get(), text.data() + kNpyPrefixBytes,
                   header_bytes - kNpyPrefixBytes))
    return "it is truncated";
  NpyHeader header;
  if (std::string error = parseNpyHeader(text, header); !error.empty())
    return error;
  if (header.data_bytes != stat.size - header_bytes)
    return "its shape does not match its size";
  array.type = header.type;
  array.dims = header.dims;
  array.data.resize(header.data_bytes);
  if (!readExactly(file.get(), array.data.data(), array.data.size()))
    return "it cannot be decompressed";
  // Reading on to the end is what makes libzip check the CRC.
  char beyond;
  if (zip_fread(file.get(), &beyond, 1) != 0)
    return "it is damaged (its checksum does not match)";
  if (header.fortran_order)
    fortranToRowMajor(array);
  return "";
}

} // namespace

int64_t Array::elements() const {
  int64_t count = 1;
  for (int64_t extent : dims)
    count *= extent;
  return count;
}

static std::string readArchive(zip_t *archive, uint64_t file_bytes,
                               const std::string &path,
                               std::vector<Array> &arrays) {
  std::unordered_set<std::string> names;
  zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive, zip_uint64_t(i), 0, &stat) != 0)
      return path + ": " + zip_strerror(archive);
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE |
                                    ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((stat.valid & needed) != needed)
      return path + ": the archive's directory is incomplete";
    Array array;
    array.name = stat.name;
    constexpr std::string_view suffix = ".npy";
    if (array.name.size() > suffix.size() &&
        array.name.compare(array.name.size() - suffix.size(), suffix.size(),
                           suffix) == 0)
      array.name.resize(array.name.size() - suffix.size());
    std::string error = names.insert(array.name).second
                            ? readArray(archive, stat, file_bytes, array)
                            : "there are two arrays of this name";
    if (!error.empty())
      return path + ": array '" + array.name + "': " + error;
    arrays.push_back(std::move(array));
  }
  return "";
}

std::string readNpz(const std::string &path, std::vector<Array> &arrays) {
  arrays.clear();
  int code = 0;
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return path + ": no such file";
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive)
    return openError(path, code);
  return readArchive(archive.get(), uint64_t(info.st_size), path, arrays);
}

std::string readNpz(std::string_view bytes, const std::string &name,
                    std::vector<Array> &arrays) {
  arrays.clear();
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source =
      zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  Archive archive(source ? zip_open_from_source(source, ZIP_RDONLY, &error)
                         : nullptr);
  std::string text;
  if (!archive) {
    text = name + ": " + zip_error_strerror(&error);
    zip_source_free(source);
  }
  zip_error_fini(&error);
  return archive ? readArchive(archive.get(), bytes.size(), name, arrays)
                 : text;
}

std::string writeNpz(const std::string &path,
                     const std::vector<Array> &arrays) {
  int code = 0;
  // The finished archive takes the place of what is there: never of a device.
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return "cannot write " + path + ": it is no regular file";
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!archive)
    return openError(path, code);
  std::vector<std::string> headers;
  headers.reserve(arrays.size());
  for (const Array &array : arrays) {
    headers.push_back(formatNpyHeader(array.type, array.dims));
    std::string &header = headers.back();
    zip_buffer_fragment_t parts[2] = {
        {reinterpret_cast<zip_uint8_t *>(header.data()), header.size()},
        {const_cast<zip_uint8_t *>(array.data.data()), array.data.size()}};
    zip_source_t *source = zip_source_buffer_fragment(
        archive.get(), parts, array.data.empty() ? 1 : 2, 0);
    zip_int64_t index =
        source ? zip_file_add(archive.get(), (array.name + ".npy").c_str(),
                              source, ZIP_FL_ENC_UTF_8)
               : -1;
    if (index < 0) {
      zip_source_free(source);
      return path + ": " + zip_strerror(archive.get());
    }
    zip_set_file_compression(archive.get(), zip_uint64_t(index), ZIP_CM_STORE,
                             0);
    // 1980-01-01, the first day a zip file knows: no clock in the output.
    zip_file_set_dostime(archive.get(), zip_uint64_t(index), 0, 0x21, 0);
  }
  if (zip_close(archive.get()) != 0)
    return path + ": " + zip_strerror(archive.get());
  archive.release();
  return "";
}

} // namespace mmcc::npz
