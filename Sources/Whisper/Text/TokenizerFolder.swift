import ByteIO
import JSONDocuments

extension Tokenizer {
  /// The tokenizer of a model's folder: `tokenizer.json`, else `vocab.json` with `merges.txt`, else a file of
  /// ranks (`*.tiktoken`, `*tokens.txt`). The path of one of these files serves too.
  ///
  /// A file of ranks does not hold Whisper's special tokens: they follow from the size of the vocabulary,
  /// which is `vocabularySize`, else that in `config.json`, else the size with 99 languages (large-v3 has
  /// 100).
  ///
  /// - Throws: `TextError` when nothing is there, or a file is malformed or of a kind that is not covered.
  public static func load(_ path: String, vocabularySize: Int? = nil) throws(TextError) -> Tokenizer {
    try TokenizerFolder.load(path, vocabularySize)
  }

  /// The files that `load` and `GenerationSettings` may read for a path, as far as they are there.
  public static func files(of path: String) -> [String] {
    let home = kind(ofPath: path) == .folder ? path : folder(of: path)
    let names = (try? names(inFolder: home)) ?? []
    let known = TokenizerFolder.fileNames + VocabularyFiles.fileNames + GenerationSettings.fileNames
    return names.filter { known.contains($0) || TokenizerFolder.isRankFile($0) }.map { joined(home, $0) }
  }
}

/// Finds the files of a tokenizer.
enum TokenizerFolder {
  /// Files of fixed names, besides those of a vocabulary with merges.
  static let fileNames = ["tokenizer.json", "config.json"]

  static func path(_ folder: String, _ name: String) -> String { joined(folder, name) }

  static func load(_ path: String, _ vocabularySize: Int?) throws(TextError) -> Tokenizer {
    if kind(ofPath: path) == .file {
      let tokenizer =
        isRankFile(fileName(of: path)) ? try readRanks(path, vocabularySize) : try readJSON(path)
      if let tokenizer { return tokenizer }
    }
    if let tokenizer = try readJSON(joined(path, "tokenizer.json")) { return tokenizer }
    if let tokenizer = try VocabularyFiles.read(folder: path) { return tokenizer }
    for name in try rankFiles(path) {
      if let tokenizer = try readRanks(joined(path, name), vocabularySize) { return tokenizer }
    }
    throw TextError(
      .noTokenizer(lookedFor: ["tokenizer.json", "vocab.json with merges.txt", "*.tiktoken", "*tokens.txt"]),
      source: path)
  }

  private static func readJSON(_ path: String) throws(TextError) -> Tokenizer? {
    // `vocab.json` by its own name means the files around it.
    if fileName(of: path) == "vocab.json" { return try VocabularyFiles.read(folder: folder(of: path)) }
    guard let root = try TextFile.json(ifPresent: path) else { return nil }
    return try TokenizerFile.read(root, path: path)
  }

  private static func readRanks(_ path: String, _ vocabularySize: Int?) throws(TextError) -> Tokenizer? {
    guard let bytes = try TextFile.bytes(ifPresent: path) else { return nil }
    var size = vocabularySize
    if size == nil, let settings = try TextFile.json(ifPresent: joined(folder(of: path), "config.json")) {
      size = settings["vocab_size"]?.value.integer
    }
    return try RankFile.read(bytes, path: path, vocabularySize: size)
  }

  static func isRankFile(_ name: String) -> Bool {
    name.hasSuffix(".tiktoken") || name.hasSuffix("tokens.txt")
  }

  private static func rankFiles(_ folder: String) throws(TextError) -> [String] {
    do {
      return try names(inFolder: folder).filter(isRankFile).sorted()
    } catch {
      throw TextError(.unreadable(error), source: folder)
    }
  }
}
