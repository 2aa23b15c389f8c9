#include "tools/mmcc-run/Trace.h"

#include <nlohmann/json.hpp>

using Json = nlohmann::ordered_json;

std::string mmcc::traceOf(const Session &session) {
  Json events = Json::array();
  double begin_us = 0;
  for (size_t i = 0; i < mmcc_session_profile_size(session.get()); ++i) {
    mmcc_profile_row row;
    mmcc_session_profile(session.get(), i, &row);
    double ns = double(row.nanoseconds);
    Json arguments = {{"nodes", row.node}};
    if (row.flops > 0) {
      arguments["gflop"] = row.flops / 1e9;
      arguments["gflop_per_s"] = ns > 0 ? row.flops / ns : 0.0;
    }
    events.push_back({{"name", row.kernel},
                      {"cat", "command"},
                      {"ph", "X"},
                      {"ts", begin_us},
                      {"dur", ns / 1e3},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", arguments}});
    begin_us += ns / 1e3;
  }
  Json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", events}};
  // A model's names may hold any bytes.
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}
