//===- Streams.cpp - The pass plan-streams --------------------------------===//
//
// Launches are taken in order and gathered in branches: a launch belongs to the
// branch of what it depends on, and begins one if it depends on nothing. Where
// it depends on several, these meet:
//
//     image: 0 1 2 3 4 ─┐
//                       ├─ 10 11 12        10 waits for the shorter branch,
//     text:  5 6 7 8 9 ─┘                  and goes on in the longer one
//
// Until they meet, two branches have not touched one buffer that either writes,
// so that no order between them is needed. A branch of a few launches (a mask
// made of an input) is not worth a stream and stays in the other's.
//
//===----------------------------------------------------------------------===//

#include "dialects/plan/Plan.h"
#include "passes/schedule/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace mmcc {
#define GEN_PASS_DEF_PLANSTREAMS
#include "passes/schedule/Passes.h.inc"

namespace {

class Branches {
public:
  Branches(unsigned fewest, unsigned mostStreams)
      : fewest(fewest), mostStreams(mostStreams) {}

  /// Adds the next launch, which depends on launches of these branches. Returns
  /// its branch.
  unsigned add(const llvm::SmallSetVector<unsigned, 4> &needs);
  /// The branch that has taken this one in.
  unsigned find(unsigned branch) const {
    while (parents[branch] != branch)
      branch = parents[branch];
    return branch;
  }
  /// Lists of launches, one a stream, in the order of their first ones.
  SmallVector<SmallVector<unsigned>> streams();
  /// By launch, others that are the last ones of streams it waits for.
  DenseMap<unsigned, SmallVector<unsigned>> waits;

private:
  using Launches = SmallVector<unsigned>;

  /// The longest; of equals the first.
  unsigned longestOf(ArrayRef<unsigned> branches) const;
  /// Ends the branch `other`, which meets `survivor`: as a stream of its own
  /// if both are long enough. Whether it is one.
  bool meet(unsigned survivor, unsigned other);

  unsigned fewest, mostStreams, launchCount = 0;
  SmallVector<unsigned> parents;
  SmallVector<Launches> open; // by branch, of its stream
  SmallVector<Launches> closed;
};

unsigned Branches::longestOf(ArrayRef<unsigned> branches) const {
  unsigned best = branches.front();
  for (unsigned branch : branches)
    if (open[branch].size() > open[best].size() ||
        (open[branch].size() == open[best].size() &&
         open[branch].front() < open[best].front()))
      best = branch;
  return best;
}

bool Branches::meet(unsigned survivor, unsigned other) {
  parents[other] = survivor;
  Launches launches = std::move(open[other]);
  open[other].clear();
  if (std::min(launches.size(), open[survivor].size()) >= fewest &&
      closed.size() + 1 < mostStreams) {
    closed.push_back(std::move(launches));
    return true;
  }
  llvm::append_range(open[survivor], launches);
  llvm::sort(open[survivor]);
  return false;
}

unsigned Branches::add(const llvm::SmallSetVector<unsigned, 4> &needs) {
  unsigned launch = launchCount++;
  if (needs.empty()) {
    parents.push_back(parents.size());
    open.push_back({launch});
    return parents.back();
  }
  unsigned survivor = longestOf(needs.getArrayRef());
  for (unsigned other : needs)
    if (other != survivor && meet(survivor, other))
      waits[launch].push_back(closed.back().back());
  open[survivor].push_back(launch);
  return survivor;
}

SmallVector<SmallVector<unsigned>> Branches::streams() {
  // The entry's end is where all branches meet.
  SmallVector<unsigned> roots;
  for (unsigned branch = 0; branch < parents.size(); ++branch)
    if (parents[branch] == branch)
      roots.push_back(branch);
  unsigned survivor = longestOf(roots);
  for (unsigned root : roots)
    if (root != survivor)
      meet(survivor, root);
  SmallVector<Launches> all = std::move(closed);
  all.push_back(std::move(open[survivor]));
  llvm::sort(all, [](const Launches &a, const Launches &b) {
    return a.front() < b.front();
  });
  return all;
}

struct PlanStreams : impl::PlanStreamsBase<PlanStreams> {
  using PlanStreamsBase::PlanStreamsBase;

  void runOnOperation() override {
    getOperation().walk([&](plan::VariantOp variant) {
      SymbolTable symbols(variant);
      for (auto entry : variant.getBody().getOps<plan::EntryOp>())
        assign(entry, symbols);
    });
  }

  void assign(plan::EntryOp entry, SymbolTable &symbols) {
    struct Accesses {
      llvm::SmallSetVector<unsigned, 2> readers, writers; // branches
    };
    Branches branches(fewestLaunches, mostStreams);
    DenseMap<Value, Accesses> accesses;
    SmallVector<plan::DispatchOp> launches;
    for (Operation &op : entry.getBody().front()) {
      if (isa<plan::AllocOp, plan::GetConstantOp, plan::StateOp>(op))
        continue;
      auto dispatch = dyn_cast<plan::DispatchOp>(op);
      if (!dispatch)
        return;
      auto kernel = symbols.lookup<plan::KernelOp>(dispatch.getKernel());
      llvm::SmallSetVector<unsigned, 4> needs;
      for (auto [i, buffer] : llvm::enumerate(dispatch.getKernelOperands())) {
        Accesses &known = accesses[buffer];
        for (unsigned writer : known.writers)
          needs.insert(branches.find(writer));
        if (llvm::is_contained(kernel.getWritten(), int64_t(i)))
          for (unsigned reader : known.readers)
            needs.insert(branches.find(reader));
      }
      unsigned branch = branches.add(needs);
      for (auto [i, buffer] : llvm::enumerate(dispatch.getKernelOperands())) {
        Accesses &known = accesses[buffer];
        if (llvm::is_contained(kernel.getWritten(), int64_t(i)))
          known.writers.insert(branch);
        else
          known.readers.insert(branch);
      }
      launches.push_back(dispatch);
    }
    if (launches.empty())
      return;
    SmallVector<SmallVector<unsigned>> streams = branches.streams();
    if (streams.size() == 1)
      return;
    Builder builder(entry.getContext());
    SmallVector<int64_t> streamOf(launches.size());
    for (auto [stream, members] : llvm::enumerate(streams))
      for (unsigned launch : members) {
        streamOf[launch] = stream;
        if (stream > 0)
          launches[launch].setStreamAttr(builder.getI64IntegerAttr(stream));
      }
    for (auto &[launch, lasts] : branches.waits) {
      SmallVector<int64_t> waited;
      for (unsigned last : lasts)
        waited.push_back(streamOf[last]);
      llvm::sort(waited);
      launches[launch].setWaits(waited);
    }
    streamsMade += streams.size() - 1;
  }
};

} // namespace
} // namespace mmcc
