import ByteIO
import JSONDocuments

/// What `generation_config.json` says about decoding, with `config.json` for what it does not say.
public struct GenerationSettings: Sendable, Equatable {
  /// A token that decoding must give at a place; nil leaves it free.
  public struct ForcedToken: Sendable, Equatable {
    public let position: Int
    public let token: Int?
  }

  /// The first token that the decoder is fed.
  public var decoderStartToken: Int?
  /// Tokens that end a text.
  public var endTokens: [Int] = []
  /// The longest sequence of the decoder in tokens, prompt included.
  public var maximumLength: Int?
  /// Tokens that are never given.
  public var suppressedTokens: [Int] = []
  /// Tokens that are not given first.
  public var beginSuppressedTokens: [Int] = []
  /// Tokens at fixed places, from before there were tasks and languages as arguments.
  public var forcedTokens: [ForcedToken] = []
  /// Language tokens such as `<|pt|>` and their ids.
  public var languageTokens: [String: Int] = [:]
  /// Task tokens by the task's name: `transcribe`, `translate`.
  public var taskTokens: [String: Int] = [:]
  public var noTimestampsToken: Int?
  /// The token before the text of what was said earlier.
  public var previousTextToken: Int?
  /// Whether the model knows several languages; nil when no file says so.
  public var isMultilingual: Bool?
  /// The latest first timestamp, in steps of 0.02 s.
  public var maximumInitialTimestamp: Int?
  /// The number of tokens that the model's head scores, from `config.json`.
  public var vocabularySize: Int?
  /// Whether any of the two files was there.
  public var isFromFile = false

  static let fileNames = ["generation_config.json", "config.json"]

  /// No settings at all.
  public init() {}

  /// Reads both files of a folder; either may be absent.
  ///
  /// - Throws: `TextError` for a file that is no JSON, or a field that holds something else than it must.
  public init(folder: String) throws(TextError) {
    // What the first file says is left as it is by the second.
    for name in Self.fileNames {
      let path = joined(folder, name)
      guard let root = try TextFile.json(ifPresent: path) else { continue }
      isFromFile = true
      try read(SettingsFile(path: path, root: root))
    }
  }

  private mutating func read(_ file: SettingsFile) throws(TextError) {
    if decoderStartToken == nil { decoderStartToken = try file.token("decoder_start_token_id") }
    if endTokens.isEmpty { endTokens = try file.tokens("eos_token_id") }
    if maximumLength == nil { maximumLength = try file.integer("max_length") }
    if maximumLength == nil { maximumLength = try file.integer("max_target_positions") }
    if suppressedTokens.isEmpty { suppressedTokens = try file.tokens("suppress_tokens") }
    if beginSuppressedTokens.isEmpty { beginSuppressedTokens = try file.tokens("begin_suppress_tokens") }
    if forcedTokens.isEmpty { forcedTokens = try file.forcedTokens("forced_decoder_ids") }
    if languageTokens.isEmpty { languageTokens = try file.tokenTable("lang_to_id") }
    if taskTokens.isEmpty { taskTokens = try file.tokenTable("task_to_id") }
    if noTimestampsToken == nil { noTimestampsToken = try file.token("no_timestamps_token_id") }
    if previousTextToken == nil { previousTextToken = try file.token("prev_sot_token_id") }
    if isMultilingual == nil { isMultilingual = try file.flag("is_multilingual") }
    if maximumInitialTimestamp == nil {
      maximumInitialTimestamp = try file.integer("max_initial_timestamp_index")
    }
    if vocabularySize == nil { vocabularySize = try file.integer("vocab_size") }
  }
}

/// The fields of a JSON file, each checked for what it may be; null is as good as absent.
private struct SettingsFile {
  let path: String
  let root: JSONNode

  private func node(_ key: String) -> JSONNode? {
    guard let node = root[key], node.value != .null else { return nil }
    return node
  }

  private func error(_ place: String, _ node: JSONNode, expected: String) -> TextError {
    TextError(
      .malformed(place: place, found: TokenizerBuilder.found(node), expected: expected), source: path)
  }

  func integer(_ key: String) throws(TextError) -> Int? {
    guard let node = node(key) else { return nil }
    guard let value = node.value.integer, value >= 0 else {
      throw error(key, node, expected: "a whole number of 0 or more")
    }
    return value
  }

  func flag(_ key: String) throws(TextError) -> Bool? {
    guard let node = node(key) else { return nil }
    guard let value = node.value.bool else { throw error(key, node, expected: "true or false") }
    return value
  }

  func token(_ key: String) throws(TextError) -> Int? {
    guard let node = node(key) else { return nil }
    return try token(node, key)
  }

  private func token(_ node: JSONNode, _ place: String) throws(TextError) -> Int {
    guard let value = node.value.integer, value >= 0, value < TokenTable.idLimit else {
      throw error(place, node, expected: "a token id, a whole number of 0 or more")
    }
    return value
  }

  /// One id or a list of them.
  func tokens(_ key: String) throws(TextError) -> [Int] {
    guard let node = node(key) else { return [] }
    guard case .array(let elements) = node.content else { return [try token(node, key)] }
    var tokens: [Int] = []
    for (index, element) in elements.enumerated() {
      // Older files have -1 for a list that the program knows.
      if element.value.integer == -1 { continue }
      tokens.append(try token(element, "\(key)[\(index)]"))
    }
    return tokens
  }

  func tokenTable(_ key: String) throws(TextError) -> [String: Int] {
    guard let node = node(key) else { return [:] }
    guard node.isObject else { throw error(key, node, expected: "an object of names and token ids") }
    var table: [String: Int] = [:]
    for member in node.members { table[member.key] = try token(member.value, "\(key)[\"\(member.key)\"]") }
    return table
  }

  func forcedTokens(_ key: String) throws(TextError) -> [GenerationSettings.ForcedToken] {
    guard let node = node(key) else { return [] }
    guard case .array(let pairs) = node.content else { throw error(key, node, expected: "a list of pairs") }
    var forced: [GenerationSettings.ForcedToken] = []
    for (index, pair) in pairs.enumerated() {
      let place = "\(key)[\(index)]"
      guard pair.elements.count == 2, let position = pair.elements[0].value.integer, position >= 0 else {
        throw error(place, pair, expected: "a pair of a position and a token id")
      }
      let token = pair.elements[1].value == .null ? nil : try token(pair.elements[1], place)
      forced.append(.init(position: position, token: token))
    }
    return forced
  }
}
