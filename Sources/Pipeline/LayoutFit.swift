import ByteIO
import JSONDocuments
import ModelStore
import Whisper

/// Whether the parts of a layout belong together, and to the texts beside them.
struct LayoutFit {
  /// What does not fit, each a sentence with file and number.
  private(set) var misfits: [String] = []

  private let parts: [WhisperPart: LayoutCandidate]

  /// - Parameter texts: sidecars by name: where each lies, and how sentences call it.
  init(_ parts: [WhisperPart: LayoutCandidate], texts: [String: (path: String, shown: String)]) {
    self.parts = parts
    checkData()
    checkDecoders()
    if let text = texts["config.json"] { checkConfiguration(text.path, text.shown) }
    if let text = texts["preprocessor_config.json"] { checkPreprocessor(text.path, text.shown) }
    for (name, text) in texts.sorted(by: { $0.key < $1.key }) { checkVocabulary(name, text.path, text.shown) }
  }

  private var ordered: [LayoutCandidate] { WhisperPart.allCases.compactMap { parts[$0] } }

  private mutating func checkData() {
    for model in ordered {
      for problem in model.report.problems {
        misfits.append(problem.replacing(model.path, with: model.shown))
      }
    }
  }

  private mutating func checkDecoders() {
    guard let first = ordered.first else { return }
    for other in ordered.dropFirst() {
      compare(\.width, "the hidden size", first, other)
      compare(\.decoderLayerCount, "the number of decoder layers", first, other)
      compare(\.headCount, "the number of heads", first, other)
      compare(\.melCount, "the number of mel bands", first, other)
    }
    let vocabularies = ordered.filter { $0.part.hasDecoder && $0.report.identity.vocabularyCount != nil }
    for other in vocabularies.dropFirst() {
      compare(\.vocabularyCount, "the vocabulary", vocabularies[0], other)
    }
  }

  private mutating func compare(
    _ number: KeyPath<InspectionReport.Identity, Int?>, _ name: String, _ first: LayoutCandidate,
    _ other: LayoutCandidate
  ) {
    guard let left = first.report.identity[keyPath: number],
      let right = other.report.identity[keyPath: number],
      left != right
    else { return }
    misfits.append(
      "\(name) of \(first.shown) is \(left), that of \(other.shown) is \(right); they are of two models")
  }

  private mutating func checkConfiguration(_ path: String, _ shown: String) {
    guard let json = read(path, shown) else { return }
    if let type = json["model_type"]?.string, type != "whisper" {
      misfits.append("\(shown): model_type is \"\(type)\", expected \"whisper\"; it belongs to another model")
      return
    }
    for model in ordered {
      let found = model.report.identity
      var numbers: [(String, Int?)] = [
        ("num_mel_bins", found.melCount), ("d_model", found.width),
        ("decoder_layers", found.decoderLayerCount),
      ]
      if model.part.hasEncoder {
        numbers += [
          ("encoder_layers", found.encoderLayerCount), ("encoder_attention_heads", found.headCount),
        ]
      }
      if model.part.hasDecoder {
        numbers += [("vocab_size", found.vocabularyCount)]
        if !model.part.hasEncoder { numbers.append(("decoder_attention_heads", found.headCount)) }
      }
      for (key, number) in numbers { check(json, key, number, shown, model) }
    }
  }

  private mutating func checkPreprocessor(_ path: String, _ shown: String) {
    guard let json = read(path, shown) else { return }
    for model in ordered where model.part.hasEncoder {
      check(json, "feature_size", model.report.identity.melCount, shown, model)
    }
  }

  private mutating func check(
    _ json: JSON, _ key: String, _ number: Int?, _ shown: String, _ model: LayoutCandidate
  ) {
    guard let written = json[key]?.integer, let number, written != number else { return }
    misfits.append("\(shown): \(key) is \(written), but that of \(model.shown) is \(number)")
  }

  private mutating func checkVocabulary(_ name: String, _ path: String, _ shown: String) {
    let isList = name == "tokens.txt" || name.hasSuffix("-tokens.txt")
    guard isList || ["tokenizer.json", "vocab.json", "added_tokens.json"].contains(name),
      let model = ordered.first(where: { $0.part.hasDecoder && $0.report.identity.vocabularyCount != nil }),
      let count = model.report.identity.vocabularyCount
    else { return }
    let tokens: TokenNumbers?
    if isList {
      tokens = TokenNumbers(list: path)
    } else {
      guard let json = read(path, shown) else { return }
      tokens = name == "tokenizer.json" ? TokenNumbers(tokenizer: json) : TokenNumbers(vocabulary: json)
    }
    guard let tokens else {
      misfits.append("\(shown): no tokens can be read from it; get the file again")
      return
    }
    if tokens.count > count {
      misfits.append("\(shown): it has \(tokens.count) tokens, but \(model.shown) rates \(count)")
    } else if name == "tokenizer.json", !tokens.fits(count) {
      misfits.append(
        "\(shown): it has \(tokens.count) tokens (the last is '\(tokens.last)'), but \(model.shown) rates "
          + "\(count); it belongs to another Whisper")
    }
  }

  private mutating func read(_ path: String, _ shown: String) -> JSON? {
    do {
      return try LayoutTexts.json(path, shown: shown)
    } catch {
      misfits.append(error.message)
      return nil
    }
  }
}

/// The numbers of tokens in a tokenizer.
struct TokenNumbers {
  /// One more than the largest number.
  let count: Int
  /// The token of the largest number.
  let last: String

  /// A `tokenizer.json`: the model's vocabulary and the added tokens.
  init?(tokenizer json: JSON) {
    var largest: (Int, String)?
    for member in json["model"]?["vocab"]?.members ?? [] {
      if let id = member.value.integer, id > largest?.0 ?? -1 { largest = (id, member.key) }
    }
    for token in json["added_tokens"]?.array ?? [] {
      if let id = token["id"]?.integer, id > largest?.0 ?? -1 {
        largest = (id, token["content"]?.string ?? "")
      }
    }
    guard let largest, largest.0 < Int.max else { return nil }
    (count, last) = (largest.0 + 1, largest.1)
  }

  /// An object from tokens to numbers.
  init?(vocabulary json: JSON) {
    guard let members = json.members else { return nil }
    let largest = members.compactMap { member in member.value.integer.map { ($0, member.key) } }
      .max { $0.0 < $1.0 }
    guard members.isEmpty || (largest?.0 ?? -1) >= 0, (largest?.0 ?? 0) < Int.max else { return nil }
    count = (largest?.0 ?? -1) + 1
    last = largest?.1 ?? ""
  }

  /// A list of sherpa-onnx: a token and its number on each line.
  init?(list path: String) {
    guard let text = LayoutTexts.text(path) else { return nil }
    var largest: (Int, String)?
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard let word = words.last, let id = Int(word), id >= 0, id < Int.max else { continue }
      if id > largest?.0 ?? -1 { largest = (id, String(words[0])) }
    }
    guard let largest else { return nil }
    (count, last) = (largest.0 + 1, largest.1)
  }

  /// The published vocabularies, and how many time stamps they end in (source: openai/whisper, tokenizer.py).
  private static let published = 51_864...51_866
  private static let timeStampCount = 1501

  /// Whether a model that rates `vocabularyCount` tokens may go with it: all of them, all but the time stamps
  /// at the end, or all but a few that only fill up the last block of 64.
  func fits(_ vocabularyCount: Int) -> Bool {
    if count == vocabularyCount { return true }
    if Self.published.contains(vocabularyCount) { return count == vocabularyCount - Self.timeStampCount }
    if last == "<|notimestamps|>" { return true }
    return vocabularyCount % 64 == 0 && vocabularyCount - count < 64
  }
}

/// Reads the small texts beside a model.
enum LayoutTexts {
  private static let limit = 64 << 20

  static func json(_ path: String, shown: String) throws(PipelineError) -> JSON {
    guard let bytes = FileText.bytes(path, limit: limit) else {
      throw PipelineError(
        "\(shown): this file cannot be read, or is longer than \(limit) bytes", .inputOutput)
    }
    do {
      return try JSONDocument(bytes, source: shown).root.value
    } catch {
      throw PipelineError(error.message, .badInput)
    }
  }

  static func text(_ path: String) -> String? {
    FileText.bytes(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }
}
