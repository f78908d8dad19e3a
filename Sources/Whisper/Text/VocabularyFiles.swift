import JSONDocuments

/// Reads a tokenizer from `vocab.json` and `merges.txt`, with its added tokens in `added_tokens.json`,
/// `special_tokens_map.json` and `tokenizer_config.json`, as older exports have it.
struct VocabularyFiles {
  static let fileNames = [
    "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json",
  ]

  let folder: String
  private var builder: TokenizerBuilder

  /// The tokenizer of these files; nil when `vocab.json` is not there.
  static func read(folder: String) throws(TextError) -> Tokenizer? {
    let path = TokenizerFolder.path(folder, "vocab.json")
    guard let vocabulary = try TextFile.json(ifPresent: path) else { return nil }
    let mergesPath = TokenizerFolder.path(folder, "merges.txt")
    guard let merges = try TextFile.bytes(ifPresent: mergesPath) else {
      throw TextError(
        .noTokenizer(lookedFor: ["merges.txt beside vocab.json", "tokenizer.json"]), source: folder)
    }
    var files = VocabularyFiles(folder: folder, vocabulary, path: path, mergeByteCount: merges.count)
    return try files.tokenizer(vocabulary, merges, mergesPath, path)
  }

  private init(folder: String, _ vocabulary: JSONNode, path: String, mergeByteCount: Int) {
    self.folder = folder
    // A merge takes four bytes at least: two tokens, the blank and the end of the line.
    builder = TokenizerBuilder(
      source: path, tokenCapacity: vocabulary.members.count, mergeCapacity: mergeByteCount / 4)
  }

  private mutating func tokenizer(
    _ vocabulary: JSONNode, _ merges: [UInt8], _ mergesPath: String, _ path: String
  ) throws(TextError) -> Tokenizer {
    guard vocabulary.isObject else {
      throw builder.malformed(
        "the file", TokenizerBuilder.found(vocabulary), expected: "an object of tokens and ids")
    }
    try builder.addVocabulary(vocabulary, place: "token")
    builder.source = mergesPath
    try readMerges(merges)
    let configurationPath = TokenizerFolder.path(folder, "tokenizer_config.json")
    let configuration = try TextFile.json(ifPresent: configurationPath)
    try readAdded(configuration, configurationPath)
    builder.source = configurationPath
    let prefix = try builder.flag("add_prefix_space", configuration?["add_prefix_space"], absent: false)
    return Tokenizer(
      source: path, merger: BytePairMerger(tokens: builder.tokens, ranks: .pairs(builder.pairs)),
      added: AddedTokens(builder.added), prefix: prefix ? .space : .none)
  }

  private mutating func readMerges(_ bytes: [UInt8]) throws(TextError) {
    var number = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if line.isEmpty || number == 1 && line.starts(with: "#version".utf8) { continue }
      try builder.addMergeLine(line.span, place: "line \(number)")
    }
  }

  /// Tokens with flags first (`tokenizer_config.json`), then those of which only text and id are told.
  private mutating func readAdded(_ configuration: JSONNode?, _ configurationPath: String) throws(TextError) {
    builder.source = configurationPath
    var seen: Set<Int> = []
    for member in configuration?["added_tokens_decoder"]?.members ?? [] {
      let place = "added_tokens_decoder[\"\(member.key)\"]"
      let id = try builder.checkID(Int(member.key), "\"\(member.key)\"", place: place)
      guard let text = member.value["content"]?.value.string else {
        throw builder.malformed(
          "\(place).content", TokenizerBuilder.found(member.value["content"]),
          expected: "the text of the token")
      }
      try builder.addAdded(
        AddedToken(id: id, text: text, flags: member.value, place: place, builder), place: place)
      seen.insert(id)
    }
    let named = try specialNames()
    let addedPath = TokenizerFolder.path(folder, "added_tokens.json")
    var plain: [(text: String, id: Int)] = []
    if let file = try TextFile.json(ifPresent: addedPath) {
      builder.source = addedPath
      for member in file.members {
        let place = "token[\"\(member.key)\"]"
        let id = try builder.checkID(
          member.value.value.integer, TokenizerBuilder.found(member.value), place: place)
        plain.append((member.key, id))
      }
    }
    for name in named {
      if let id = builder.tokens.id(of: Array(name.utf8)[...]) { plain.append((name, id)) }
    }
    for (text, id) in plain where seen.insert(id).inserted {
      var token = AddedToken(id: id, text: text)
      token.isSpecial = named.contains(text) || Timestamp.seconds(of: text) == nil
      token.isNormalized = !token.isSpecial
      try builder.addAdded(token, place: "token[\"\(text)\"]")
    }
  }

  /// The texts that `special_tokens_map.json` names.
  private func specialNames() throws(TextError) -> [String] {
    let map = try TextFile.json(ifPresent: TokenizerFolder.path(folder, "special_tokens_map.json"))
    func texts(_ node: JSONNode) -> [String] {
      if let text = node.value.string ?? node["content"]?.value.string { return [text] }
      return node.elements.flatMap(texts)
    }
    var names: [String] = []
    for name in (map?.members ?? []).flatMap({ texts($0.value) }) where !names.contains(name) {
      names.append(name)
    }
    return names.filter { !$0.isEmpty }
  }
}
