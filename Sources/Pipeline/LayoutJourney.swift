import ByteIO
import ModelStore
import Whisper

/// One run of `download-layout`, from lists of files to models that fit together.
struct LayoutJourney {
  let request: LayoutRequest
  let collector: SourceCollector
  let observer: StoreObserver
  var left: [LayoutReport.Left] = []
  var notes: [String] = []
  var warnings: [String] = []
  /// Files of the sources that need not be brought, with their places.
  private var reused: [String: String] = [:]
  /// Files of the layout that is there which were found to be as its record says.
  var intactFiles: Set<String>?

  init(_ request: LayoutRequest, _ collector: SourceCollector, _ observer: StoreObserver) {
    self.request = request
    self.collector = collector
    self.observer = observer
  }

  mutating func run() throws(PipelineError) -> LayoutReport {
    var listings = try storing { () throws(LayoutError) in try collector.list(.look) }
    if request.run == .place, let report = try movedAway(listings) { return report }
    if let empty = listings.first(where: { $0.files.isEmpty && $0.unseen == nil }) {
      throw PipelineError("\(empty.source.shown): there is no file in it", .badInput)
    }
    if request.run == .place, let report = try unchanged(listings) { return report }
    if request.run == .look, !listings.allSatisfy({ $0.source.isLocal }) { return try foresee(listings) }
    if listings.contains(where: { $0.unseen != nil }) {
      listings = try storing { () throws(LayoutError) in try collector.list(.bring) }
    }
    notes += listings.flatMap(\.notes)
    reused = reusable(listings)
    let candidates = try bringModels(listings)
    let selection = try LayoutSelection(candidates, variant: request.variant)
    left += selection.left
    notes += selection.notes
    var parts = selection.parts
    if parts.isEmpty {
      throw PipelineError(
        "\(shownSources): no model in it is a part of Whisper: "
          + left.map { "\($0.path) (\($0.reason))" }.joined(separator: ", "), .badInput)
    }
    try bringData(&parts, listings)
    let earlier = earlierLayout(listings)?.record.name
    let name = request.name ?? earlier ?? LayoutTargets.name(ofSize: Self.size(of: parts))
    let folderPath = joined(request.modelsFolder, name + "_onnx")
    let record = try storing { () throws(LayoutError) in try LayoutRecord.read(folder: folderPath) }
    let present = request.existing == .kept ? presentParts(folderPath, besides: parts) : [:]
    let sidecars = try bringSidecars(listings, parts)
    do {
      try check(parts.merging(present) { new, _ in new }, sidecars, folderPath)
    } catch {
      guard !present.isEmpty else { throw error }
      throw PipelineError(
        error.message
          + "\n\(folderPath) is there already; choose another name with --name, or replace it with --force",
        error.status)
    }
    var planning = LayoutPlanning(request, name: name, folderPath: folderPath, record: record)
    try planning.add(parts, present: Set(present.keys), sources: request.sources)
    try planning.add(sidecars: sidecars, at: placeOf, sources: request.sources)
    planning.note(try dataFingerprints(listings))
    planning.license = try license(listings, parts)
    planning.fingerprints = listings.map { $0.fingerprint ?? "" }
    return try LayoutPlacing(self, planning).run()
  }

  var shownSources: String { request.sources.map(\.shown).joined(separator: ", ") }

  /// How a file is called in sentences.
  func shown(_ file: SourceFile) -> String {
    file.localPath
      ?? (request.sources.count == 1 ? file.path : joined(request.sources[file.sourceIndex].shown, file.path))
  }

  /// Where a file lies on this machine.
  private func placeOf(_ file: SourceFile) throws(PipelineError) -> String {
    if let path = reused[Self.key(file.sourceIndex, file.path)] { return path }
    return try storing { () throws(LayoutError) in try collector.path(of: file) }
  }

  private func isReused(_ file: SourceFile) -> Bool { reused[Self.key(file.sourceIndex, file.path)] != nil }

  private func bring(_ files: [SourceFile]) throws(PipelineError) {
    let wanted = files.filter { !isReused($0) }
    try storing { () throws(LayoutError) in try collector.bring(wanted) }
  }

  /// What sources say of the content of their files, by the place where these lie now.
  private func dataFingerprints(_ listings: [SourceListing]) throws(PipelineError) -> [String: String] {
    var found: [String: String] = [:]
    for file in listings.flatMap(\.files) where file.localPath == nil {
      if let fingerprint = file.fingerprint { found[try placeOf(file)] = fingerprint }
    }
    return found
  }

  // MARK: Models

  private mutating func bringModels(_ listings: [SourceListing]) throws(PipelineError) -> [LayoutCandidate] {
    var models: [SourceFile] = []
    for listing in listings {
      let all = listing.files.filter { SidecarNames.isModel(fileName(of: $0.path)) }
      if listing.source.isLocal {
        models += all
        continue
      }
      let (taken, others) = VariantFilter.choose(all.map(\.path), variant: request.variant)
      models += all.filter { taken.contains($0.path) }
      for other in others {
        guard let file = all.first(where: { $0.path == other.path }) else { continue }
        left.append(
          LayoutReport.Left(
            path: shown(file), reason: "the variant \(other.variant); --variant \(other.variant) chooses it"))
      }
    }
    if models.isEmpty { throw noModels(listings) }
    try bring(models)
    var candidates: [LayoutCandidate] = []
    var failure: PipelineError?
    for file in models {
      let path = try placeOf(file)
      do throws(PipelineError) {
        let report = try InspectPipeline.run(path: path, options: inspectOptions)
        candidates.append(LayoutCandidate(file: file, path: path, shown: shown(file), report: report))
      } catch {
        failure = failure ?? error
        left.append(
          LayoutReport.Left(path: shown(file), reason: error.message.replacing(path, with: shown(file))))
      }
    }
    if candidates.isEmpty, let failure {
      let path = try placeOf(models[0])
      throw PipelineError(failure.message.replacing(path, with: shown(models[0])), failure.status)
    }
    return candidates
  }

  private var inspectOptions: InspectOptions {
    InspectOptions(links: request.followsLinks ? .followed : .refused)
  }

  private func noModels(_ listings: [SourceListing]) -> PipelineError {
    let names = listings.flatMap(\.files).map { fileName(of: $0.path) }
    let all = listings.flatMap(\.files).filter { SidecarNames.isModel(fileName(of: $0.path)) }
    if let variant = request.variant, !all.isEmpty {
      let variants = Set(all.map { ModelFileName($0.path).variant ?? "fp32" }).sorted().joined(
        separator: ", ")
      return PipelineError("no model is of the variant '\(variant)'; there are: \(variants)", .usage)
    }
    if names.contains(where: { $0.hasSuffix(".safetensors") || $0 == "pytorch_model.bin" }) {
      return PipelineError(
        "\(shownSources): there are PyTorch weights in it and no .onnx file; export them to ONNX first, "
          + "or give a repository that has ONNX files", .badInput)
    }
    return PipelineError("\(shownSources): there is no .onnx file in it", .badInput)
  }

  /// Brings the data files that the chosen models name, and looks at the models again.
  private mutating func bringData(
    _ parts: inout [WhisperPart: LayoutCandidate], _ listings: [SourceListing]
  ) throws(PipelineError) {
    var wanted: [SourceFile] = []
    for model in parts.values {
      guard let file = model.file, file.localPath == nil, !isReused(file) else { continue }
      for data in model.report.dataFiles where ContainedFile.objection(to: data.location) == nil {
        let path = joined(folder(of: file.path), data.location)
        var found = listings[file.sourceIndex].files.first { $0.path == path }
        if found == nil {
          found = try storing { () throws(LayoutError) in
            try collector.companion(of: file, location: data.location)
          }
        }
        if let found,
          !wanted.contains(where: { $0.path == found.path && $0.sourceIndex == found.sourceIndex })
        {
          wanted.append(found)
        }
      }
    }
    guard !wanted.isEmpty else { return }
    try storing { () throws(LayoutError) in try collector.bring(wanted) }
    for (part, model) in parts where !model.report.dataFiles.isEmpty && model.file?.localPath == nil {
      parts[part]?.report = try InspectPipeline.run(path: model.path, options: inspectOptions)
    }
  }

  /// The published model that all parts can belong to.
  private static func size(of parts: [WhisperPart: LayoutCandidate]) -> String? {
    let ordered = WhisperPart.allCases.compactMap { parts[$0] }
    let decoders = ordered.filter { $0.part.hasDecoder } + ordered.filter { !$0.part.hasDecoder }
    let lists = decoders.map(\.sizes).filter { !$0.isEmpty }
    guard let first = lists.first else { return nil }
    return first.first { name in lists.allSatisfy { $0.contains(name) } } ?? "custom"
  }

  /// Parts that the layout has already and this run does not bring.
  private func presentParts(
    _ folderPath: String, besides parts: [WhisperPart: LayoutCandidate]
  ) -> [WhisperPart: LayoutCandidate] {
    var present: [WhisperPart: LayoutCandidate] = [:]
    for place in ["", "encoder", "decoder"] {
      for name in (try? names(inFolder: joined(folderPath, place))) ?? [] where SidecarNames.isModel(name) {
        let path = joined(joined(folderPath, place), name)
        guard let report = try? InspectPipeline.run(path: path, options: InspectOptions(links: .followed))
        else {
          continue
        }
        let candidate = LayoutCandidate(file: nil, path: path, shown: path, report: report)
        if report.identity.isWhisper, candidate.part != .unknown, parts[candidate.part] == nil {
          present[candidate.part] = candidate
        }
      }
    }
    return present
  }

  // MARK: Texts

  /// The files that go along: those beside the chosen models first, then those above them, then the rest.
  private func bringSidecars(
    _ listings: [SourceListing], _ parts: [WhisperPart: LayoutCandidate]
  ) throws(PipelineError) -> [SourceFile] {
    var chosen: [String: (rank: (Int, Int, String), file: SourceFile)] = [:]
    for listing in listings {
      for file in listing.files where SidecarNames.contains(fileName(of: file.path)) {
        let rank = rank(file, parts)
        let name = fileName(of: file.path)
        if let best = chosen[name], best.rank <= rank { continue }
        chosen[name] = (rank, file)
      }
    }
    let files = chosen.values.map(\.file).sorted { $0.path < $1.path }
    try bring(files)
    return files
  }

  private func rank(_ file: SourceFile, _ parts: [WhisperPart: LayoutCandidate]) -> (Int, Int, String) {
    let place = folder(of: file.path)
    var best = 100
    for model in parts.values {
      guard let own = model.file, own.sourceIndex == file.sourceIndex else { continue }
      let home = folder(of: own.path)
      if home == place {
        best = min(best, 0)
      } else if place.isEmpty || home.hasPrefix(place + "/") {
        best = min(best, 1 + home.dropFirst(place.utf8.count).utf8.filter { $0 == UInt8(ascii: "/") }.count)
      } else {
        best = min(best, 50)
      }
    }
    return (best, file.sourceIndex, file.path)
  }

  private mutating func check(
    _ parts: [WhisperPart: LayoutCandidate], _ sidecars: [SourceFile], _ folderPath: String
  ) throws(PipelineError) {
    var texts: [String: (path: String, shown: String)] = [:]
    if request.existing == .kept {
      for name in (try? names(inFolder: folderPath)) ?? [] where SidecarNames.contains(name) {
        texts[name] = (joined(folderPath, name), joined(folderPath, name))
      }
    }
    for file in sidecars {
      texts[fileName(of: file.path)] = (
        try placeOf(file), shown(file)
      )
    }
    let fit = LayoutFit(parts, texts: texts)
    if !fit.misfits.isEmpty { throw PipelineError(fit.misfits.joined(separator: "\n"), .badInput) }
    let missing = missing(parts, texts.keys, folderPath)
    if request.strictness == .strict, !missing.isEmpty {
      throw PipelineError(missing.joined(separator: "\n"), .badInput)
    }
    warnings += missing
  }

  /// What an application will look for and not find, with the remedy.
  private func missing(
    _ parts: [WhisperPart: LayoutCandidate], _ texts: some Collection<String>, _ folderPath: String
  ) -> [String] {
    var missing: [String] = []
    let size = Self.size(of: parts)
    let isPublished = size.map { $0 != "custom" && !$0.hasPrefix("distil") } ?? false
    let repository = isPublished ? "hf:openai/whisper-\(size == "large-v1" ? "large" : size ?? "")" : nil
    let remedy =
      repository.map { "add \($0) as a second source" } ?? "give the folder that has it as a second source"
    if !parts.keys.contains(where: \.hasEncoder) {
      missing.append("no encoder was found; give its file or folder as a second source")
    }
    if !parts.keys.contains(where: \.hasDecoder) {
      missing.append("no decoder was found; give its file or folder as a second source")
    }
    let hasList = texts.contains { $0.hasSuffix("tokens.txt") }
    if !texts.contains("tokenizer.json"), !hasList,
      !(texts.contains("vocab.json") && texts.contains("merges.txt"))
    {
      missing.append("no tokenizer.json was found, so text cannot be made of tokens; \(remedy)")
    }
    if !texts.contains("config.json"), !hasList {
      missing.append("no config.json was found; \(remedy)")
    }
    return missing
  }

  /// The licence that a model card names (source: the metadata block of Hugging Face's model cards).
  private func license(
    _ listings: [SourceListing], _ parts: [WhisperPart: LayoutCandidate]
  ) throws(PipelineError) -> String? {
    for listing in listings {
      guard let card = listing.files.first(where: { $0.path == "README.md" }),
        card.byteCount ?? .max <= 1 << 20,
        parts.values.contains(where: { $0.file?.sourceIndex == card.sourceIndex })
      else { continue }
      try bring([card])
      let path = try placeOf(card)
      guard let text = LayoutTexts.text(path), text.hasPrefix("---") else { continue }
      for line in text.split(separator: "\n").dropFirst() {
        if line.hasPrefix("---") { break }
        guard line.hasPrefix("license:") else { continue }
        let word = line.dropFirst(8).filter {
          $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
        }
        if !word.isEmpty { return String(word) }
      }
    }
    return nil
  }

  /// Runs store work and says what kept it from being done.
  func storing<Result>(_ work: () throws(LayoutError) -> Result) throws(PipelineError) -> Result {
    do { return try work() } catch { throw PipelineError(error) }
  }
}
