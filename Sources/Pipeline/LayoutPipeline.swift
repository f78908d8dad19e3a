import ByteIO
public import ModelStore

/// The journey of `whisperq download-layout`: list, bring, recognise, choose, check, place, note down.
public enum LayoutPipeline {
  /// Lays a model out under the models folder, or says what it would do.
  ///
  /// Nothing is put in place before everything is here and fits together.
  public static func run(
    _ request: LayoutRequest, observer: StoreObserver = StoreObserver()
  ) throws(PipelineError) -> LayoutReport {
    try check(request)
    var notes: [String] = []
    if request.run == .place, let report = try complete(request, observer, &notes) { return report }
    let collector = SourceCollector(
      request.sources, modelsFolder: request.modelsFolder, settings: request.collecting, observer: observer)
    do {
      var journey = LayoutJourney(request, collector, observer)
      var report = try journey.run()
      report.notes = notes + report.notes
      return report
    } catch {
      let kept = collector.abandon()
      guard !kept.isEmpty else { throw error }
      throw PipelineError(
        error.message + "\nwhat was fetched stays for the next run: \(kept.joined(separator: ", "))",
        error.status)
    }
  }

  private static func check(_ request: LayoutRequest) throws(PipelineError) {
    if let name = request.name, let objection = LayoutTargets.objection(toName: name) {
      throw PipelineError("--name '\(name)' \(objection); give a plain word such as whisper_large", .usage)
    }
    let countOfFiles = request.sources.filter(\.isOneFile).count
    if request.collecting.digests.count > countOfFiles {
      throw PipelineError(
        "--sha256 is given \(request.collecting.digests.count) times for \(countOfFiles) sources that are "
          + "one file; repositories have digests of their own", .usage)
    }
  }

  /// Completes or undoes what killed runs left; a report when that was all that this run is asked for.
  private static func complete(
    _ request: LayoutRequest, _ observer: StoreObserver, _ notes: inout [String]
  ) throws(PipelineError) -> LayoutReport? {
    for name in LayoutAssembly.unfinished(in: request.modelsFolder) {
      // One that another run is working on stays its business.
      guard LayoutTargets.objection(toName: name) == nil,
        let assembly = try? LayoutAssembly(modelsFolder: request.modelsFolder, name: name)
      else { continue }
      guard assembly.isCompleted else {
        if assembly.isEmpty { try filing { () throws(ByteIOError) in try assembly.finish() } }
        continue
      }
      try filing { () throws(ByteIOError) in try assembly.finish() }
      let folder = assembly.targetPath
      notes.append("completed \(folder), which an earlier run had left unfinished")
      let record: LayoutRecord?
      do { record = try LayoutRecord.read(folder: folder) } catch { throw PipelineError(error) }
      guard let record, record.sources == request.sources.map(\.shown), record.variant == request.variant,
        request.name == nil || request.name == record.name
      else { continue }
      let collector = SourceCollector(
        request.sources, modelsFolder: request.modelsFolder, settings: request.collecting, observer: observer)
      do { try collector.finish() } catch { throw PipelineError(error) }
      var report = LayoutReport(name: record.name, folderPath: folder, isComplete: true)
      report.files = LayoutClosing.lines(record, action: .placed)
      report.notes = notes
      try LayoutClosing.finish(request, record, changed: Set(record.files.map(\.path)), &report)
      return report
    }
    return nil
  }
}

/// Runs file work and says what kept it from being done.
func filing<Result>(_ work: () throws(ByteIOError) -> Result) throws(PipelineError) -> Result {
  do { return try work() } catch { throw PipelineError(error) }
}
