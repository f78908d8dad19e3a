import JSONDocuments

/// Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`.
struct TokenizerFile {
  private let path: String
  private let root: JSONNode
  private var builder: TokenizerBuilder

  /// The tokenizer that a file describes.
  static func read(_ root: JSONNode, path: String) throws(TextError) -> Tokenizer {
    var file = try TokenizerFile(root, path: path)
    return try file.tokenizer()
  }

  private init(_ root: JSONNode, path: String) throws(TextError) {
    self.path = path
    self.root = root
    let model = root["model"]
    builder = TokenizerBuilder(
      source: path, tokenCapacity: model?["vocab"]?.members.count ?? 0,
      mergeCapacity: model?["merges"]?.elements.count ?? 0)
  }

  private mutating func tokenizer() throws(TextError) -> Tokenizer {
    guard let model = root["model"], model.isObject else {
      throw builder.malformed("model", found(root["model"]), expected: "the object of a BPE model")
    }
    try checkModel(model)
    try checkStep("normalizer", allowed: [])
    try checkStep("pre_tokenizer", allowed: ["ByteLevel"])
    try checkStep("decoder", allowed: ["ByteLevel"])
    try readVocabulary(model)
    try readMerges(model)
    try readAdded()
    let steps = root["pre_tokenizer"]
    guard let prefix = steps?["add_prefix_space"]?.value.bool else {
      throw builder.malformed(
        "pre_tokenizer.add_prefix_space", found(steps?["add_prefix_space"]), expected: "true or false")
    }
    let cuts = try flag("pre_tokenizer.use_regex", steps?["use_regex"], absent: true)
    var merger = BytePairMerger(tokens: builder.tokens, ranks: .pairs(builder.pairs))
    merger.prefersWholeWords = try flag("model.ignore_merges", model["ignore_merges"], absent: false)
    merger.unknown = try unknown(model)
    return Tokenizer(
      source: path, merger: merger, added: AddedTokens(builder.added), prefix: prefix ? .space : .none,
      cutting: cuts ? .words : .none)
  }

  // MARK: Kinds

  private func checkModel(_ model: JSONNode) throws(TextError) {
    let type = model["type"]?.value.string ?? (model["merges"] == nil ? nil : "BPE")
    guard type == "BPE" else {
      throw unsupported("model.type", found(model["type"]), "\"BPE\" (byte-level, as Whisper has)")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard let text = model[key]?.value, text != .null, text.string != "" else { continue }
      throw unsupported("model.\(key)", found(model[key]), "null, as byte-level tokenizers have")
    }
    if let dropout = model["dropout"]?.value, dropout != .null, dropout.double != 0 {
      throw unsupported("model.dropout", found(model["dropout"]), "null: its results would be random")
    }
    if try flag("model.byte_fallback", model["byte_fallback"], absent: false) {
      throw unsupported("model.byte_fallback", "true", "false, as byte-level tokenizers have")
    }
  }

  /// Checks that a step of the tokenizer is of a kind that is covered; none are allowed where there may be no
  /// step.
  private func checkStep(_ key: String, allowed: [String]) throws(TextError) {
    let node = root[key]
    if allowed.isEmpty, node == nil || node?.value == .null { return }
    let type = node?["type"]?.value.string
    if let type, allowed.contains(type) { return }
    throw unsupported(
      key, type.map { "of the type \"\($0)\"" } ?? found(node),
      allowed.isEmpty ? "null" : "one of the type " + allowed.joined(separator: " or "))
  }

  private func unknown(_ model: JSONNode) throws(TextError) -> BytePairMerger.Unknown? {
    guard let text = model["unk_token"]?.value, text != .null, text.string != "" else { return nil }
    let id = text.string.flatMap { builder.tokens.id(of: Array($0.utf8)[...]) }
    guard let id else {
      throw builder.malformed(
        "model.unk_token", found(model["unk_token"]), expected: "a token of model.vocab")
    }
    return .init(token: id, isFused: try flag("model.fuse_unk", model["fuse_unk"], absent: false))
  }

  // MARK: Lists

  private mutating func readVocabulary(_ model: JSONNode) throws(TextError) {
    guard let vocabulary = model["vocab"], vocabulary.isObject else {
      throw builder.malformed("model.vocab", found(model["vocab"]), expected: "an object of tokens and ids")
    }
    try builder.addVocabulary(vocabulary, place: "model.vocab")
  }

  private mutating func readMerges(_ model: JSONNode) throws(TextError) {
    guard let merges = model["merges"], case .array(let elements) = merges.content else {
      throw builder.malformed("model.merges", found(model["merges"]), expected: "a list of merges")
    }
    for (index, element) in elements.enumerated() {
      if case .string(let line) = element.content {
        try builder.addMergeLine(line.utf8.span, place: "model.merges[\(index)]")
        continue
      }
      let parts = element.elements.compactMap { $0.value.string }
      guard parts.count == 2, element.elements.count == 2 else {
        throw builder.malformed(
          "model.merges[\(index)]", found(element),
          expected: "two tokens with a space between, or a list of two")
      }
      let (left, right) = (parts[0], parts[1])
      try builder.addMerge(left.utf8.span, right.utf8.span, place: "model.merges[\(index)]")
    }
  }

  private mutating func readAdded() throws(TextError) {
    guard let list = root["added_tokens"] else { return }
    if case .null = list.content { return }
    guard case .array(let elements) = list.content else {
      throw builder.malformed("added_tokens", found(list), expected: "a list of tokens")
    }
    for (index, element) in elements.enumerated() {
      let place = "added_tokens[\(index)]"
      guard let text = element["content"]?.value.string else {
        throw builder.malformed(
          "\(place).content", found(element["content"]), expected: "the text of the token")
      }
      let id = try builder.checkID(element["id"]?.value.integer, found(element["id"]), place: "\(place).id")
      try builder.addAdded(
        AddedToken(id: id, text: text, flags: element, place: place, builder), place: "\(place).id")
    }
  }

  // MARK: Sentences

  private func flag(_ place: String, _ node: JSONNode?, absent: Bool) throws(TextError) -> Bool {
    try builder.flag(place, node, absent: absent)
  }

  private func found(_ node: JSONNode?) -> String { TokenizerBuilder.found(node) }

  private func unsupported(_ place: String, _ found: String, _ supported: String) -> TextError {
    TextError(.unsupported(place: place, found: found, supported: supported), source: path)
  }
}

extension TokenizerBuilder {
  /// A value for a sentence: short ones as they are written, others by their kind.
  static func found(_ node: JSONNode?) -> String {
    switch node?.content {
    case nil: return "not there"
    case .string(let text) where text.utf8.count <= 60: return "\"\(text)\""
    case .number(let number): return number.text
    case .bool(let value): return value ? "true" : "false"
    default: return node?.value.kindName ?? "null"
    }
  }

  /// A value that is true or false.
  func flag(_ place: String, _ node: JSONNode?, absent: Bool) throws(TextError) -> Bool {
    guard let node, node.value != .null else { return absent }
    guard let value = node.value.bool else {
      throw malformed(place, Self.found(node), expected: "true or false")
    }
    return value
  }

  /// Adds the members of an object, each the text of a token and its id.
  mutating func addVocabulary(_ object: JSONNode, place: String) throws(TextError) {
    for member in object.members {
      let id: Int
      if case .number(let number) = member.value.content, let value = number.integer, value >= 0,
        value < TokenTable.idLimit
      {
        id = value
      } else {
        id = try checkID(nil, Self.found(member.value), place: "\(place)[\"\(member.key)\"]")
      }
      try addToken(member.key.utf8, id: id, place: "\(place)[\"\(member.key)\"]")
    }
  }
}

extension AddedToken {
  /// A token with the flags of an object; absent ones are false.
  init(id: Int, text: String, flags: JSONNode, place: String, _ builder: TokenizerBuilder) throws(TextError) {
    self.init(id: id, text: text)
    isSpecial = try builder.flag("\(place).special", flags["special"], absent: false)
    isSingleWord = try builder.flag("\(place).single_word", flags["single_word"], absent: false)
    takesBlanksBefore = try builder.flag("\(place).lstrip", flags["lstrip"], absent: false)
    takesBlanksAfter = try builder.flag("\(place).rstrip", flags["rstrip"], absent: false)
    isNormalized = try builder.flag("\(place).normalized", flags["normalized"], absent: false)
  }
}
