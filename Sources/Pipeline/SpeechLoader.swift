import ByteIO
import ModelBackend
import ModelStore
import ONNXGraph
import Validation
import Whisper

/// Finds the files of one Whisper, and opens those that decoding needs.
struct SpeechLoader {
  private let choice: SpeechChoice
  private var candidates: [Candidate] = []
  /// Where a tokenizer may be, the likeliest first.
  private var tokenizerFolders: [String] = []
  private var notes: [String] = []

  /// A file that was named, or that a named folder holds.
  private struct Candidate {
    let model: LoadedModel
    let entry: ManifestEntry?
    /// Whether it was named itself, so that nothing takes its place.
    let isNamed: Bool

    var part: WhisperPart { model.description.part }
    var variant: SpeechVariant { SpeechVariant(model.path, model.graph) }
    var file: SpeechFile {
      SpeechFile(
        name: model.path, description: model.description,
        outputs: model.graph[model.graph.root].outputs.map { model.graph[$0].name })
    }
  }

  init(_ choice: SpeechChoice) throws(PipelineError) {
    self.choice = choice
    try choice.backends.validated()
    if choice.models.isEmpty {
      throw PipelineError(
        "no model is named; name the folder of a model, or keys of the manifest, with --model", .usage)
    }
    for word in try names() { try add(word) }
  }

  /// The files that decoding needs, none of them opened.
  mutating func files() throws(PipelineError) -> SpeechFiles {
    let (chosen, plan) = try planned()
    let text = Result { () throws(PipelineError) in try readText(plan, chosen) }
    return SpeechFiles(plan: plan, models: chosen.map(\.model), text: text, notes: notes)
  }

  private mutating func planned() throws(PipelineError) -> ([Candidate], SpeechPlan) {
    let chosen = try chosenCandidates()
    let isFolder = !chosen.contains(where: \.isNamed)
    do { return (chosen, try SpeechPlan(chosen.map(\.file), inFolder: isFolder)) } catch {
      throw PipelineError(error)
    }
  }

  /// Opens everything.
  mutating func load() throws(PipelineError) -> LoadedSpeech {
    let (chosen, plan) = try planned()
    for candidate in chosen
    where candidate.isNamed && !plan.files.contains(where: { $0.name == candidate.model.path }) {
      notes.append("\(candidate.model.path) (\(candidate.part.title)) is not needed")
    }
    let text = try readText(plan, chosen)
    var reports: [SpeechPartReport] = []
    do {
      let model = try SpeechModel(plan) { file in
        guard let candidate = chosen.first(where: { $0.model.path == file.name }) else {
          throw PipelineError("\(file.name): the file was lost", .internal)
        }
        let opened = try open(candidate)
        reports.append(
          SpeechPartReport(
            path: file.name, part: candidate.part, byteCount: candidate.model.byteCount,
            engine: opened.engine,
            loadSeconds: opened.loadSeconds))
        return SpeechPart(name: file.name, description: file.description, session: opened.session)
      }
      return LoadedSpeech(
        transcriber: try Transcriber(model, text.tokenizer, text.settings), parts: reports,
        tokenizerPath: text.path, notes: notes)
    } catch let error as PipelineError {
      throw error
    } catch let error as DecodingError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(choice.title): \(error)", .internal)
    }
  }

  // MARK: Names

  /// The words, with a name that is no key itself replaced by the keys of its parts.
  private func names() throws(PipelineError) -> [String] {
    let file = ManifestFile(path: choice.manifestPath ?? ManifestFile.usualPath)
    let manifest = file.exists ? try? file.read() : nil
    return choice.models.flatMap { word -> [String] in
      guard let manifest, !ModelReference.isPath(word), !manifest.contains(word) else { return [word] }
      for ending in ["", "_quantized", "_compiled", "_quantized_compiled"] {
        // `whisper_demo_quantized` means the quantized parts of `whisper_demo`, and so on.
        guard word.hasSuffix(ending) else { continue }
        let stem = word.dropLast(ending.count)
        let keys = ["\(stem)_encoder\(ending)", "\(stem)_decoder\(ending)"]
        if keys.allSatisfy(manifest.contains) { return keys }
      }
      return [word]
    }
  }

  private mutating func add(_ word: String) throws(PipelineError) {
    let source = try ModelReference.resolve(word, manifestPath: choice.manifestPath)
    if kind(ofPath: source.path) == .folder {
      tokenizerFolders.append(source.path)
      for name in try FolderPipeline.contents(of: source.path).models {
        let model = try LoadedModel(path: joined(source.path, name), followsLinks: choice.followsLinks)
        // A folder may hold other models, too.
        if model.description.part == .unknown { continue }
        candidates.append(Candidate(model: model, entry: nil, isNamed: false))
        if let entry = entry(ofPath: joined(source.path, name)) { originFolders(of: entry) }
      }
      return
    }
    let model = try LoadedModel(path: source.path, followsLinks: choice.followsLinks)
    candidates.append(Candidate(model: model, entry: source.entry, isNamed: true))
    var home = folder(of: source.path)
    // The layout keeps encoder and decoder one folder below the tokenizer.
    for _ in 0..<2 {
      tokenizerFolders.append(home.isEmpty ? "." : home)
      if home.isEmpty { break }
      home = folder(of: home)
    }
    if let entry = source.entry ?? entry(ofPath: source.path) { originFolders(of: entry) }
    try addCompanion(of: model)
  }

  /// The folders of the models that a quantized one was made from.
  private mutating func originFolders(of source: ManifestEntry) {
    var entry: ManifestEntry? = source
    for _ in 0..<4 {
      guard let key = entry?.source,
        let origin = try? ModelReference.resolve(key, manifestPath: choice.manifestPath)
      else { return }
      let home = folder(of: origin.path)
      tokenizerFolders += [home, folder(of: home)]
      entry = origin.entry
    }
  }

  /// The entry of the manifest that leads to a file.
  private func entry(ofPath path: String) -> ManifestEntry? {
    let file = ManifestFile(path: choice.manifestPath ?? ManifestFile.usualPath)
    guard file.exists, let manifest = try? file.read(), let found = identity(ofPath: path) else { return nil }
    let paths = ManifestPaths(manifestPath: file.path)
    return manifest.keys.lazy.compactMap { try? manifest.entry($0) }
      .first { identity(ofPath: paths.resolve($0.path)) == found }
  }

  /// A decoder without a past is much faster with the file that goes on from its caches: of the same name with
  /// `with_past` in it, beside it.
  private mutating func addCompanion(of model: LoadedModel) throws(PipelineError) {
    guard model.description.part == .decoder || model.description.part == .decoderInit else { return }
    let home = folder(of: model.path)
    let name = fileName(of: model.path)
    guard let names = try? ByteIO.names(inFolder: home.isEmpty ? "." : home) else { return }
    for other in names where other != name && other.hasSuffix(".onnx") {
      guard Self.isCompanion(other, of: name) else { continue }
      guard let found = try? LoadedModel(path: joined(home, other), followsLinks: choice.followsLinks),
        found.description.part == .decoderWithPast
      else { continue }
      candidates.append(Candidate(model: found, entry: nil, isNamed: false))
      return
    }
  }

  /// `decoder_with_past_model_int8.onnx` goes with `decoder_model_int8.onnx`.
  static func isCompanion(_ name: String, of first: String) -> Bool {
    func plain(_ name: String) -> String {
      var words = name.split { $0 == "_" || $0 == "-" || $0 == "." }.map(String.init)
      words.removeAll { ["with", "past", "init"].contains($0) }
      return words.joined(separator: "_")
    }
    return name != first && plain(name) == plain(first)
  }

  // MARK: Choice

  /// One file of each part: the named one, else the wanted or the most precise variant.
  private mutating func chosenCandidates() throws(PipelineError) -> [Candidate] {
    if choice.prefersFloat { leaveQuantized() }
    var chosen: [Candidate] = []
    var seen: [WhisperPart] = []
    for part in candidates.map(\.part) where !seen.contains(part) {
      seen.append(part)
      let all = candidates.filter { $0.part == part }
      let named = all.filter(\.isNamed)
      if named.count > 1 {
        throw PipelineError(
          "\(named.map(\.model.path).joined(separator: " and ")) are both a \(part.title); name one of them",
          .usage)
      }
      if let wanted = choice.variant, let only = named.first {
        throw PipelineError(
          "--variant \(wanted) chooses within a folder, and \(only.model.path) was named itself; name the file or key "
            + "of the variant", .usage)
      }
      if let only = named.first { chosen.append(only) } else { chosen.append(try variant(among: all, part)) }
    }
    return chosen
  }

  /// Leaves out what is quantized already where there is a float model to start from, of whatever form.
  private mutating func leaveQuantized() {
    func isQuantized(_ candidate: Candidate) -> Bool {
      !candidate.isNamed
        && NothingToDo.alreadyQuantized(candidate.model.path, candidate.model.graph) != nil
    }
    for side in [true, false] {
      let all = candidates.filter { $0.part.hasEncoder == side }
      let quantized = all.filter(isQuantized)
      guard !quantized.isEmpty, quantized.count < all.count else { continue }
      candidates.removeAll { $0.part.hasEncoder == side && isQuantized($0) }
      notes.append(
        "\(quantized.map(\.model.path).joined(separator: ", ")): left out, for there is a float model beside it"
      )
    }
  }

  private mutating func variant(
    among all: [Candidate], _ part: WhisperPart
  ) throws(PipelineError) -> Candidate {
    if all.count == 1, choice.variant == nil { return all[0] }
    let ranked = all.map { (path: $0.model.path, variant: $0.variant, candidate: $0) }.sorted {
      ($0.variant.rank, $0.path.utf8.count, $0.path) < ($1.variant.rank, $1.path.utf8.count, $1.path)
    }
    let first = ranked[0]
    guard let wanted = choice.variant else {
      if ranked.count > 1 {
        // A name that occurs twice says nothing without its folder.
        let names = ranked.map { fileName(of: $0.path) }
        let others = zip(names, ranked).dropFirst().map { name, other in
          names.count { $0 == name } > 1 ? other.path : name
        }
        notes.append(
          "\(first.path) is taken, not \(others.joined(separator: ", "))"
            + (choice.prefersFloat ? "" : "; --variant chooses"))
      }
      return first.candidate
    }
    if let found = ranked.first(where: { $0.variant.matches(wanted) }) { return found.candidate }
    // What exists once has no variants.
    if ranked.count == 1, first.variant.name == nil {
      notes.append("\(first.path) is the only \(part.title), so --variant \(wanted) is not about it")
      return first.candidate
    }
    let known = ranked.map(\.variant.title).joined(separator: ", ")
    throw PipelineError("there is no \(part.title) of variant '\(wanted)'; there are \(known)", .usage)
  }

  // MARK: Tokenizer

  private func readText(
    _ plan: SpeechPlan, _ chosen: [Candidate]
  ) throws(PipelineError) -> SpeechText {
    let count = plan.first.description.dimensions.vocabularyCount
    do {
      if let path = choice.tokenizer {
        let home = kind(ofPath: path) == .folder ? path : folder(of: path)
        return SpeechText(
          tokenizer: try .load(path, vocabularySize: count), settings: try GenerationSettings(folder: home),
          path: path)
      }
      // The folder that was named may hold the tokenizer above or beside the models.
      var folders = tokenizerFolders
      for candidate in chosen {
        let home = folder(of: candidate.model.path)
        folders += [home.isEmpty ? "." : home, folder(of: home)]
      }
      var tried: [String] = []
      for folder in folders where !folder.isEmpty && !tried.contains(folder) {
        tried.append(folder)
        do {
          let tokenizer = try Tokenizer.load(folder, vocabularySize: count)
          return SpeechText(
            tokenizer: tokenizer, settings: try GenerationSettings(folder: folder), path: folder)
        } catch {
          guard case .noTokenizer = error.reason else { throw error }
        }
      }
      throw PipelineError(
        "there is no tokenizer (tokenizer.json, vocab.json with merges.txt, *.tiktoken or *tokens.txt) in "
          + "\(tried.joined(separator: ", ")); put it beside the models; transcribe and evaluate also take --tokenizer",
        .inputOutput)
    } catch let error as TextError {
      throw PipelineError(error)
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(error)", .internal)
    }
  }

  // MARK: Sessions

  private mutating func open(_ candidate: Candidate) throws(PipelineError) -> OpenedModel {
    var backends = choice.backends
    let own = candidate.part.hasEncoder ? choice.encoderProviders : choice.decoderProviders
    if let own {
      backends.providers = own
      backends.npu = .optional
    }
    var (order, strange) = try backends.order(for: candidate.entry)
    // A minute for a recording; who wants that says so.
    if backends.providers == nil, backends.npu == .optional, order.providers.contains(.qnn),
      backends.emulatesNPU
    {
      order = ProviderOrder(order.providers.filter { $0 != .qnn })
      strange.append(
        "\(candidate.model.path): the NPU is only emulated on this processor; --ep qnn,cpu runs it")
    }
    notes += strange
    // The encoder's shapes are known; a decoder's grow.
    var dimensions: [String: Int] = [:]
    if candidate.part == .encoder {
      dimensions = (try? ModelFeeds(for: candidate.model.graph))?.dimensions ?? [:]
    }
    let opened = try backends.open(
      candidate.model.graph, path: candidate.model.path, order: order, dimensions: dimensions)
    for passed in opened.engine.passedOver {
      notes.append("\(candidate.model.path): not on \(passed.provider): \(passed.summary)")
    }
    return opened
  }
}

/// The files of one Whisper as they lie on the disk.
struct SpeechFiles {
  let plan: SpeechPlan
  let models: [LoadedModel]
  /// Or why there is none, which matters to those only who decode.
  let text: Result<SpeechText, PipelineError>
  let notes: [String]

  func model(_ file: SpeechFile?) -> LoadedModel? { models.first { $0.path == file?.name } }
}

/// What turns tokens into text, and where it lies.
struct SpeechText {
  let tokenizer: Tokenizer
  let settings: GenerationSettings
  let path: String
}

extension PipelineError {
  init(_ error: DecodingError) {
    switch error.reason {
    case .mismatch: self.init(error.message, .badInput)
    case .unsupported: self.init(error.message, .unsupported)
    case .missing: self.init(error.message, .usage)
    case .request: self.init(error.message, .usage)
    case .backend(let reason): self.init(error.message, ExitStatus(reason))
    }
  }

  init(_ error: TextError) {
    switch error.reason {
    case .unreadable(let cause): self = PipelineError(cause)
    case .unknownLanguage, .absentLanguage, .englishOnly, .absentTask: self.init(error.message, .usage)
    case .noTokenizer: self.init(error.message, .inputOutput)
    default: self.init(error.message, .badInput)
    }
  }

  init(_ error: AudioError) {
    switch error.reason {
    case .file(let cause): self = PipelineError(cause)
    case .decoderMissing: self.init(error.message, .unsupported)
    default: self.init(error.message, .badInput)
    }
  }
}
