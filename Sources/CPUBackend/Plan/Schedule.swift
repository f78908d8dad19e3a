import ModelBackend

/// What a run is asked for.
struct ScheduleKey: Hashable {
  let outputs: Set<String>
  /// Whether every inner tensor is shown, so that everything must be computed as the model says.
  let showsAll: Bool
}

/// Which steps a run makes, and when values are no longer needed.
struct Schedule {
  /// Per graph, the steps that run, in order.
  private(set) var steps: [[Step]]
  /// Per graph and scheduled step, slots that are done with afterwards.
  private(set) var releases: [[[Int]]]

  /// `constants` are values that no caller overrides, by slot.
  init(_ program: Program, _ key: ScheduleKey, constants: [Int: RunTensor]) throws(BackendError) {
    var wanted: Set<Int> = []
    for name in key.outputs {
      guard let slot = program.slots[name] else {
        throw BackendError(.badFeed, "'\(name)' was asked for, but the model has no value of this name")
      }
      wanted.insert(slot)
    }
    var steps: [[Step]] = []
    var releases: [[[Int]]] = []
    for (number, graph) in program.graphs.enumerated() {
      // Inner graphs give all their outputs; which of them the owner needs is not worth the work.
      var needed = number == 0 ? wanted : wanted.union(graph.outputs)
      let kept = needed
      var chosen: [Int] = []
      for (index, step) in graph.steps.enumerated().reversed() {
        let isNeeded =
          key.showsAll || step.outputs.contains { $0.map(needed.contains) ?? false }
          || Self.holdsWanted(step, program, wanted)
        if !isNeeded { continue }
        chosen.append(index)
        needed.formUnion(step.inputs.compactMap { $0 })
        needed.formUnion(step.captured)
      }
      chosen.reverse()
      let plain = chosen.map { graph.steps[$0] }
      let joined = key.showsAll ? plain : Fusion.fused(plain, constants: constants, kept: kept)
      var seen = kept
      var ends: [[Int]] = []
      let own = Set(graph.inputs).union(graph.steps.flatMap { $0.outputs.compactMap { $0 } })
      for step in joined.reversed() {
        let touched = step.inputs.compactMap { $0 } + step.captured + step.outputs.compactMap { $0 }
        ends.append(touched.filter { own.contains($0) && seen.insert($0).inserted })
      }
      ends.reverse()
      steps.append(joined)
      releases.append(ends)
    }
    self.steps = steps
    self.releases = releases
  }

  /// Whether a value inside of the step's graphs was asked for.
  private static func holdsWanted(_ step: Step, _ program: Program, _ wanted: Set<Int>) -> Bool {
    step.facts.graphs.values.contains { number in
      program.graphs[number].steps.contains { inner in
        inner.outputs.contains { $0.map(wanted.contains) ?? false } || holdsWanted(inner, program, wanted)
      }
    }
  }
}
