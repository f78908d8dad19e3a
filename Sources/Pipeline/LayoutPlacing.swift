import ByteIO
import ModelStore
import ONNXFile
import Whisper

/// Puts the files of a plan in their places, and notes down what is there.
struct LayoutPlacing {
  private let journey: LayoutJourney
  private let planning: LayoutPlanning
  private var request: LayoutRequest { journey.request }

  private static let readmeName = "README.md"

  init(_ journey: LayoutJourney, _ planning: LayoutPlanning) {
    self.journey = journey
    self.planning = planning
  }

  func run() throws(PipelineError) -> LayoutReport {
    let folderPath = planning.folderPath
    var states: [PlannedState] = []
    let compared = planning.files.filter { file in
      FileStamp(ofPath: joined(folderPath, file.target)).map { $0.byteCount == file.stamp?.byteCount }
        ?? false
    }
    if !compared.isEmpty {
      let total = compared.reduce(0) { $0 + 2 * ($1.stamp?.byteCount ?? 0) }
      journey.observer.began("comparing with \(folderPath)", total)
    }
    for file in planning.files { states.append(try file.state(in: folderPath, journey.observer)) }
    if !compared.isEmpty { journey.observer.ended() }
    var report = LayoutReport(name: planning.name, folderPath: folderPath, isComplete: request.run == .place)
    report.left = journey.left
    report.notes = journey.notes
    report.warnings = journey.warnings
    try refuseChanges(states, &report)
    let steps = steps(states)
    if request.run == .look {
      report.files = zip(planning.files, states).map { file, state in line(file, state, nil) }
      return report
    }
    let record = try place(steps, states, &report)
    try journey.storing { () throws(LayoutError) in try journey.collector.finish() }
    try LayoutClosing.finish(request, record, changed: Set(steps.map(\.target)), &report)
    return report
  }

  /// A file that would be replaced by another one needs the user's word.
  private func refuseChanges(_ states: [PlannedState], _ report: inout LayoutReport) throws(PipelineError) {
    let changed = zip(planning.files, states).filter { if case .different = $0.1 { true } else { false } }
    guard !changed.isEmpty else { return }
    let sentences = changed.map { file, _ in
      let place = joined(planning.folderPath, file.target)
      let now = FileStamp(ofPath: place)?.byteCount ?? 0
      let isOurs = planning.record?[file.target]?.sourceShown == file.sourceShown
      let why = isOurs ? "the source has changed since, or the file was edited" : "it comes from elsewhere"
      return
        "\(place) (\(now) bytes) is not what \(file.origin) (\(file.stamp?.byteCount ?? 0) bytes) "
        + "would be there: \(why)"
    }
    if request.run == .look {
      report.warnings += sentences.map { $0 + "; replacing it takes --force" }
    } else if request.existing == .kept {
      throw PipelineError(
        sentences.joined(separator: "\n") + "\nreplace with --force, or choose another name with --name",
        .usage)
    }
  }

  /// The files that must be placed. A data file that changes brings its models along.
  private func steps(_ states: [PlannedState]) -> [PlannedFile] {
    var targets: Set<String> = []
    for (file, state) in zip(planning.files, states) {
      switch state {
      case .same: continue
      case .missing: targets.insert(file.target)
      case .different: targets.formUnion([file.target] + file.models)
      }
    }
    return planning.files.filter { targets.contains($0.target) }
  }

  // MARK: Placing

  private func place(
    _ files: [PlannedFile], _ states: [PlannedState], _ report: inout LayoutReport
  ) throws(PipelineError) -> LayoutRecord {
    var digests: [String: PlacedFile] = [:]
    for (file, state) in zip(planning.files, states) {
      if case .same(let there) = state { digests[file.target] = there }
    }
    let stale = stale()
    let isBare = kind(ofPath: joined(planning.folderPath, Self.readmeName)) == .missing
    if files.isEmpty, stale.isEmpty, let old = planning.record {
      let record = record(digests)
      if record == old, !isBare {
        report.files = LayoutClosing.lines(record, action: .kept)
        return record
      }
    }
    let assembly = try filing { () throws(ByteIOError) in
      try LayoutAssembly(modelsFolder: request.modelsFolder, name: planning.name)
    }
    do {
      let record = try put(files, into: assembly, stale: stale, &digests)
      try filing { () throws(ByteIOError) in
        try assembly.publish()
        try assembly.finish()
      }
      report.files = planning.files.enumerated().map { index, file in
        line(file, states[index], files.contains { $0.target == file.target } ? digests[file.target] : nil)
      }
      let isMade = { path in path == Self.readmeName && (isBare || record[path] != planning.record?[path]) }
      report.files += record.files.filter { file in !planning.files.contains { $0.target == file.path } }
        .map { LayoutClosing.line($0, action: isMade($0.path) ? .placed : .kept) }
      report.files.sort { $0.path < $1.path }
      return record
    } catch {
      try? assembly.abandon()
      throw error
    }
  }

  private func put(
    _ files: [PlannedFile], into assembly: LayoutAssembly, stale: [String],
    _ digests: inout [String: PlacedFile]
  ) throws(PipelineError) -> LayoutRecord {
    let steps = files.map { file in
      PlacementStep(
        source: file.renames.isEmpty ? file.source : assembly.madePath(of: file.target), target: file.target,
        way: file.isLocal && file.renames.isEmpty ? request.way : .move, models: file.models)
    }
    try filing { () throws(ByteIOError) in try assembly.begin(steps, removed: stale) }
    let total = files.reduce(0) { $0.addingReportingOverflow($1.stamp?.byteCount ?? 0).partialValue }
    journey.observer.began("placing \(files.count == 1 ? "1 file" : "\(files.count) files")", total)
    for (file, step) in zip(files, steps) {
      if !file.renames.isEmpty {
        let model = try file.relocated()
        do { try model.write(to: step.source) } catch { throw PipelineError(error) }
        if file.isLocal, request.way == .move { assembly.removeAfterwards(file.source) }
      }
      digests[file.target] = try filing { () throws(ByteIOError) in
        try assembly.place(step, advanced: journey.observer.advanced)
      }
      if file.isLocal, step.way != .move || !file.renames.isEmpty, let stamp = file.stamp,
        FileStamp(ofPath: file.source)?.isSameState(as: stamp) != true
      {
        throw PipelineError(LayoutError(.changed, place: file.source))
      }
    }
    journey.observer.ended()
    let record = try write(record(digests), into: assembly)
    return record
  }

  /// Files of an earlier layout that this one does not have, when it takes its place.
  private func stale() -> [String] {
    guard request.existing == .replaced, let old = planning.record else { return [] }
    return old.files.map(\.path).filter { path in
      path != Self.readmeName && !planning.files.contains { $0.target == path }
    }
  }

  private func record(_ digests: [String: PlacedFile]) -> LayoutRecord {
    var files: [LayoutRecord.File] = []
    for file in planning.files {
      guard let placed = digests[file.target] else { continue }
      files.append(
        LayoutRecord.File(
          path: file.target, byteCount: placed.byteCount, sha256: placed.sha256, source: file.sourceShown,
          origin: file.origin, fingerprint: file.fingerprint, part: file.part?.rawValue))
    }
    if request.existing == .kept, let old = planning.record {
      files += old.files.filter { file in
        file.path != Self.readmeName && !planning.files.contains { $0.target == file.path }
          && kind(ofPath: joined(planning.folderPath, file.path)) == .file
      }
    }
    if let old = planning.record?[Self.readmeName],
      planning.record?.files.filter({ $0.path != Self.readmeName })
        == files.sorted(by: { $0.path < $1.path })
    {
      files.append(old)
    }
    return LayoutRecord(
      name: planning.name, sources: request.sources.map(\.shown), fingerprints: planning.fingerprints,
      variant: request.variant, files: files)
  }

  /// Writes the README, unless the user has one of their own there, and the record.
  private func write(
    _ record: LayoutRecord, into assembly: LayoutAssembly
  ) throws(PipelineError) -> LayoutRecord {
    var record = record
    record.files.removeAll { $0.path == Self.readmeName }
    let place = joined(planning.folderPath, Self.readmeName)
    let old = planning.record?[Self.readmeName]
    let isOthers =
      kind(ofPath: place) == .file && request.existing == .kept
      && (old == nil || (try? PlacedFile(of: place).sha256) != old?.sha256)
    if !isOthers {
      let text = LayoutReadme.text(record, license: planning.license)
      let file = try filing { () throws(ByteIOError) in
        try assembly.write(text, to: Self.readmeName)
        return try PlacedFile(of: assembly.treePath(of: Self.readmeName))
      }
      record.files.append(
        LayoutRecord.File(path: Self.readmeName, byteCount: file.byteCount, sha256: file.sha256))
      record.files.sort { $0.path < $1.path }
    }
    try filing { () throws(ByteIOError) in try assembly.write(record.text, to: LayoutRecord.fileName) }
    return record
  }

  private func line(_ file: PlannedFile, _ state: PlannedState, _ placed: PlacedFile?) -> LayoutReport.File {
    let action: LayoutReport.Action
    var digest = placed
    switch state {
    case .same(let there):
      action = placed == nil ? .kept : .replaced
      digest = digest ?? there
    case .missing: action = request.run == .look ? .planned : .placed
    case .different: action = request.run == .look ? .planned : .replaced
    }
    let method = placed.flatMap {
      $0.method == .kept ? nil : file.renames.isEmpty ? $0.method.rawValue : "rewritten"
    }
    return LayoutReport.File(
      path: file.target, action: action, method: method,
      byteCount: digest?.byteCount ?? file.stamp?.byteCount, sha256: digest?.sha256,
      part: file.part?.rawValue,
      source: file.sourceShown, origin: file.origin)
  }
}

extension FileStamp {
  /// Whether nothing was written to the file since; another name of it is no change.
  fileprivate func isSameState(as other: FileStamp) -> Bool {
    identity == other.identity && byteCount == other.byteCount && changed == other.changed
  }
}

extension LayoutRecord.File {
  fileprivate var sourceShown: String? { source }
}
