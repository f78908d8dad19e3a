import ByteIO
import JSONDocuments
import Validation

/// Results of an evaluation on disk, so that a run that was ended goes on where it was.
///
/// What a result depends on (the model's files, the options, the recording) is part of its key; results of other
/// models or options stay in the file, and are not used.
struct EvaluateState {
  /// What one model wrote of one recording.
  struct Result: Equatable {
    var text: String
    var language: String?
    var tokens: [Int]
    var audioSeconds: Double
    var seconds: Double
    var agreement: UtteranceResult.Agreement?
  }

  private let path: String
  private var results: [String: [String: Result]] = [:]
  private var lastWrite = ContinuousClock.now
  private var isChanged = false

  private static let formatNumber = 1
  /// Results that may be lost when the program is killed.
  private static let writeInterval = Duration.seconds(2)

  init(_ path: String) throws(PipelineError) {
    self.path = path
    guard kind(ofPath: path) != .missing else {
      try ResultFile.checkPlace(path, option: "--resume")
      return
    }
    guard let bytes = FileText.bytes(path) else {
      throw PipelineError("\(path): the results of an earlier run cannot be read", .inputOutput)
    }
    let root: JSON
    do { root = try JSONDocument(bytes, source: path).root.value } catch {
      throw PipelineError(error.message, .badInput)
    }
    guard root["format"]?.integer == Self.formatNumber, let models = root["results"]?.members else {
      throw PipelineError(
        "\(path): these are no results of whisperq evaluate; name another file with --resume", .badInput)
    }
    for model in models {
      for member in model.value.members ?? [] {
        guard let result = Result(member.value) else {
          throw PipelineError("\(path): the result of '\(member.key)' is damaged; delete the file", .badInput)
        }
        results[model.key, default: [:]][member.key] = result
      }
    }
  }

  func result(_ model: String, _ recording: String) -> Result? { results[model]?[recording] }

  /// Keeps a result, and writes all of them from time to time.
  mutating func keep(_ result: Result, _ model: String, _ recording: String) throws(PipelineError) {
    results[model, default: [:]][recording] = result
    isChanged = true
    if ContinuousClock.now - lastWrite > Self.writeInterval { try write() }
  }

  mutating func write() throws(PipelineError) {
    guard isChanged else { return }
    let models = results.sorted { $0.key < $1.key }.map { key, value in
      JSONMember(key, .object(value.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.json) }))
    }
    let document = JSON.object([
      JSONMember("format", .integer(Self.formatNumber)), JSONMember("results", .object(models)),
    ])
    try ResultFile.write(document.text(.compact) + "\n", to: path)
    isChanged = false
    lastWrite = .now
  }
}

extension EvaluateState.Result {
  fileprivate init?(_ json: JSON) {
    guard let text = json["text"]?.string, let tokens = json["tokens"]?.array,
      let audio = json["audio_seconds"]?.double, let seconds = json["seconds"]?.double
    else { return nil }
    self.text = text
    self.tokens = tokens.compactMap(\.integer)
    language = json["language"]?.string
    audioSeconds = audio
    self.seconds = seconds
    if let equal = json["equal"]?.integer, let total = json["total"]?.integer {
      agreement = .init(equal: equal, total: total)
    }
  }

  fileprivate var json: JSON {
    var members = [
      JSONMember("text", .string(text)), JSONMember("tokens", .array(tokens.map(JSON.integer))),
      JSONMember("audio_seconds", .double(audioSeconds)), JSONMember("seconds", .double(seconds)),
    ]
    if let language { members.append(JSONMember("language", .string(language))) }
    if let agreement {
      members.append(JSONMember("equal", .integer(agreement.equal)))
      members.append(JSONMember("total", .integer(agreement.total)))
    }
    return .object(members)
  }
}
