#include "tools/mmcc-run/Trace.h"

#include <nlohmann/json.hpp>

using Json = nlohmann::ordered_json;

/// What a track is called.
static Json nameOf(uint32_t thread) {
  std::string name =
      thread == 0 ? "caller" : "thread " + std::to_string(thread);
  return {{"name", "thread_name"},
          {"ph", "M"},
          {"pid", 1},
          {"tid", thread + 1},
          {"args", {{"name", name}}}};
}

std::string mmcc::traceOf(const Session &session) {
  Json events = Json::array();
  for (uint32_t i = 0; i < mmcc_session_threads(session.get()); ++i)
    events.push_back(nameOf(i));
  for (size_t i = 0; i < mmcc_session_timeline_size(session.get()); ++i) {
    mmcc_timeline_slice slice;
    mmcc_session_timeline(session.get(), i, &slice);
    double ns = double(slice.end_ns - slice.begin_ns);
    Json arguments = {{"nodes", slice.node},
                      {"command", slice.command},
                      {"stream", slice.stream},
                      {"cells", slice.cells},
                      {"of_cells", slice.all_cells}};
    if (slice.flops > 0) {
      arguments["gflop"] = slice.flops / 1e9;
      arguments["gflop_per_s"] = ns > 0 ? slice.flops / ns : 0.0;
    }
    events.push_back({{"name", slice.kernel},
                      {"cat", "command"},
                      {"ph", "X"},
                      {"ts", double(slice.begin_ns) / 1e3},
                      {"dur", ns / 1e3},
                      {"pid", 1},
                      {"tid", slice.thread + 1},
                      {"args", arguments}});
  }
  Json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", events}};
  // A model's names may hold any bytes.
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}
