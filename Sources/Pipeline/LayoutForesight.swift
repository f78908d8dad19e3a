import ByteIO
import ModelStore

extension LayoutJourney {
  /// The report of a layout that an earlier run made of the very same sources; nil when something is missing
  /// or the sources say something else now.
  mutating func unchanged(_ listings: [SourceListing]) throws(PipelineError) -> LayoutReport? {
    guard request.existing == .kept, listings.allSatisfy({ !$0.source.isLocal }),
      let (record, folderPath) = earlierLayout(listings)
    else { return nil }
    for (index, listing) in listings.enumerated() {
      let source = listing.source.shown
      if listing.unseen != nil {
        guard let now = listing.fingerprint, index < record.fingerprints.count,
          record.fingerprints[index] == now
        else {
          return nil
        }
      } else {
        let own = record.files.filter { $0.source == source }
        let isSame = own.allSatisfy { file in
          listing.files.contains {
            $0.path == file.origin && $0.fingerprint != nil && $0.fingerprint == file.fingerprint
          }
        }
        guard isSame else { return nil }
      }
    }
    return try kept(record, folderPath)
  }

  /// The report of a layout whose sources have no models any more, because an earlier run moved them.
  mutating func movedAway(_ listings: [SourceListing]) throws(PipelineError) -> LayoutReport? {
    let hasModels = listings.contains { listing in
      listing.unseen != nil || listing.files.contains { SidecarNames.isModel(fileName(of: $0.path)) }
    }
    guard !hasModels, let (record, folderPath) = earlierLayout(listings) else { return nil }
    return try kept(record, folderPath)
  }

  private mutating func kept(
    _ record: LayoutRecord, _ folderPath: String
  ) throws(PipelineError) -> LayoutReport? {
    guard intact(record, folderPath).count == record.files.count else { return nil }
    try storing { () throws(LayoutError) in try collector.finish() }
    var report = LayoutReport(name: record.name, folderPath: folderPath, isComplete: true)
    report.files = LayoutClosing.lines(record, action: .kept)
    try LayoutClosing.finish(request, record, changed: [], &report)
    return report
  }

  /// The files of a layout that are as its record says.
  private mutating func intact(_ record: LayoutRecord, _ folderPath: String) -> Set<String> {
    if let intactFiles { return intactFiles }
    observer.began("checking \(folderPath)", record.files.reduce(0) { $0 + $1.byteCount })
    defer { observer.ended() }
    var intact: Set<String> = []
    for file in record.files {
      let path = joined(folderPath, file.path)
      guard FileStamp(ofPath: path)?.byteCount == file.byteCount,
        let found = try? PlacedFile(of: path, advanced: observer.advanced), found.sha256 == file.sha256
      else { continue }
      intact.insert(file.path)
    }
    intactFiles = intact
    return intact
  }

  /// Files that an earlier run of the very same sources put in place, by source and path, so that they are
  /// not fetched again; a model only together with its data.
  mutating func reusable(_ listings: [SourceListing]) -> [String: String] {
    guard request.existing == .kept, listings.contains(where: { !$0.source.isLocal }),
      let (record, folderPath) = earlierLayout(listings)
    else { return [:] }
    let intact = intact(record, folderPath)
    var reusable: [String: String] = [:]
    for (index, listing) in listings.enumerated() where !listing.source.isLocal {
      for file in listing.files {
        guard let fingerprint = file.fingerprint,
          let old = record.files.first(where: {
            $0.source == listing.source.shown && $0.origin == file.path && $0.fingerprint == fingerprint
          }), intact.contains(old.path),
          LayoutClosing.dataFiles(of: old.path, record).allSatisfy({ intact.contains($0.path) })
        else { continue }
        reusable[Self.key(index, file.path)] = joined(folderPath, old.path)
      }
    }
    return reusable
  }

  static func key(_ sourceIndex: Int, _ path: String) -> String { "\(sourceIndex):\(path)" }

  /// The layout that an earlier run made of the very same sources, whatever has become of it.
  func earlierLayout(_ listings: [SourceListing]) -> (record: LayoutRecord, path: String)? {
    let ending = "_onnx"
    for entry in (try? names(inFolder: request.modelsFolder)) ?? [] where entry.hasSuffix(ending) {
      let path = joined(request.modelsFolder, entry)
      guard !entry.hasPrefix("."), request.name == nil || entry == (request.name ?? "") + ending,
        let record = (try? LayoutRecord.read(folder: path)) ?? nil,
        record.sources == listings.map(\.source.shown),
        record.variant == request.variant, record.name + ending == entry
      else { continue }
      return (record, path)
    }
    return nil
  }

  /// What a run would fetch and place, as far as names of files tell; nothing is fetched.
  mutating func foresee(_ listings: [SourceListing]) throws(PipelineError) -> LayoutReport {
    notes += listings.flatMap(\.notes)
    var files: [LayoutReport.File] = []
    var byteCount = 0
    for listing in listings {
      let source = listing.source.shown
      if let unseen = listing.unseen {
        byteCount += unseen.byteCount ?? 0
        notes.append("\(source): what is in the archive is known when it is fetched")
        continue
      }
      let models = listing.files.filter { SidecarNames.isModel(fileName(of: $0.path)) }
      let (taken, others) = VariantFilter.choose(models.map(\.path), variant: request.variant)
      left += others.map {
        LayoutReport.Left(
          path: $0.path, reason: "the variant \($0.variant); --variant \($0.variant) chooses it")
      }
      for file in listing.files {
        guard let target = Self.guess(file.path, taken: taken) else { continue }
        if !listing.source.isLocal {
          byteCount = byteCount.addingReportingOverflow(file.byteCount ?? 0).partialValue
        }
        files.append(
          LayoutReport.File(
            path: target, action: .planned, method: nil, byteCount: file.byteCount, sha256: nil, part: nil,
            source: source, origin: file.path))
      }
    }
    if files.isEmpty, !listings.contains(where: { $0.unseen != nil }) {
      throw PipelineError("\(shownSources): there is no .onnx file in it that would be taken", .badInput)
    }
    notes.append("this is judged by names; what the models are is seen when they are fetched")
    let name = request.name ?? "NAME"
    var report = LayoutReport(
      name: name, folderPath: joined(request.modelsFolder, name + "_onnx"), isComplete: false)
    report.files = files.sorted { $0.path < $1.path }
    report.left = left
    report.notes = notes
    report.remoteByteCount = byteCount
    return report
  }

  /// Where a file of that name probably goes; nil for one that is not taken.
  private static func guess(_ path: String, taken: [String]) -> String? {
    let name = fileName(of: path)
    if SidecarNames.contains(name) { return name }
    let model =
      taken.first {
        $0 == path || path.hasPrefix(String($0.dropLast(5)) + ".onnx_data") || path == $0 + ".data"
      }
      ?? taken.first {
        joined(folder(of: $0), "model.data") == path || String($0.dropLast(5)) + ".bin" == path
      }
    guard let model else { return nil }
    let words = model.lowercased()
    let target: String
    if words.contains("merged") {
      target = "decoder/whisper_decoder_merged.onnx"
    } else if words.contains("with_past") {
      target = "decoder/whisper_decoder_with_past.onnx"
    } else if words.contains("decoder") {
      target = LayoutTargets.decoderModel
    } else if words.contains("encoder") {
      target = LayoutTargets.encoderModel
    } else {
      target = name
    }
    return path == model ? target : LayoutTargets.dataTarget(of: target, 0)
  }
}
