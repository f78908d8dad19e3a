import ByteIO
import JSONDocuments

/// Recordings with what is said in them.
public struct TranscriptSet: Sendable {
  /// One recording.
  public struct Item: Sendable, Equatable {
    /// A name that is unique in the set.
    public let id: String
    public let path: String
    public let text: String
    public let language: String?
  }

  /// The file or folder that was read.
  public let source: String
  public let items: [Item]

  /// Names of fields, as corpora call them.
  private static let pathNames = [
    "path", "file", "wav", "audio", "audio_filepath", "audio_path", "filename", "file_name",
  ]
  private static let textNames = ["text", "transcript", "sentence", "transcription", "ref_text"]
  private static let languageNames = ["language", "lang", "locale"]
  private static let idNames = ["id", "utt_id", "key"]

  /// Reads a transcript, or looks for one in a folder: JSON (a list of objects, an object of names and texts, or one
  /// object a line), TSV or CSV with a head line, LibriSpeech's `*.trans.txt`, or a `.txt` beside each recording.
  public init(_ path: String) throws(PipelineError) {
    source = path
    switch kind(ofPath: path) {
    case .missing: throw PipelineError(ByteIOError(.notFound, path: path))
    case .other: throw PipelineError("\(path): this is neither a transcript nor a folder", .usage)
    case .file: items = try Self.checked(try Self.read(path), path)
    case .folder: items = try Self.checked(try Self.search(path), path)
    }
  }

  private static func checked(_ items: [Item], _ path: String) throws(PipelineError) -> [Item] {
    if items.isEmpty { throw PipelineError("\(path): there is no recording in it", .badInput) }
    var seen: Set<String> = []
    for item in items where !seen.insert(item.id).inserted {
      throw PipelineError(
        "\(path): '\(item.id)' is there twice; give each recording a name of its own", .badInput)
    }
    if let lost = items.first(where: { kind(ofPath: $0.path) != .file }) {
      throw PipelineError(
        "\(path): the recording '\(lost.id)' should be at \(lost.path), where there is no file", .inputOutput)
    }
    return items
  }

  // MARK: Folders

  private static func search(_ path: String) throws(PipelineError) -> [Item] {
    let files = try FolderPipeline.files(of: path)
    let libri = files.filter { $0.hasSuffix(".trans.txt") }
    if !libri.isEmpty {
      var items: [Item] = []
      for file in libri { items += try read(joined(path, file)) }
      return items
    }
    var found: [(name: String, items: [Item])] = []
    for file in files where endings.contains(where: { file.hasSuffix($0) }) {
      // Other tables may lie there, too.
      if let items = try? read(joined(path, file)), !items.isEmpty { found.append((file, items)) }
    }
    if found.count > 1 {
      throw PipelineError(
        "\(path): there are several transcripts (\(found.map(\.name).joined(separator: ", "))); name the one that is "
          + "meant", .usage)
    }
    if let only = found.first { return only.items }
    let pairs = files.filter(AudioFiles.isAudio).compactMap { file -> Item? in
      let stem = String(file[..<(file.lastIndex(of: ".") ?? file.endIndex)])
      guard let text = FileText.read(joined(path, stem + ".txt")) else { return nil }
      return Item(id: file, path: joined(path, file), text: text, language: nil)
    }
    guard !pairs.isEmpty else {
      throw PipelineError(
        "\(path): there is no transcript in this folder: JSON, TSV or CSV with the columns path and text, "
          + "LibriSpeech's *.trans.txt, or NAME.txt beside NAME.wav", .badInput)
    }
    return pairs
  }

  private static let endings = [".json", ".jsonl", ".tsv", ".csv"]

  // MARK: Files

  private static func read(_ path: String) throws(PipelineError) -> [Item] {
    guard let bytes = FileText.bytes(path) else {
      throw PipelineError("\(path): the transcript cannot be read, or has more than 256 MB", .inputOutput)
    }
    if path.hasSuffix(".trans.txt") { return try libriSpeech(bytes, path) }
    if path.hasSuffix(".tsv") { return try table(bytes, path, separator: UInt8(ascii: "\t")) }
    if path.hasSuffix(".csv") { return try table(bytes, path, separator: UInt8(ascii: ",")) }
    if path.hasSuffix(".json") || path.hasSuffix(".jsonl") { return try json(bytes, path) }
    throw PipelineError(
      "\(path): a transcript is JSON (.json, .jsonl), TSV (.tsv), CSV (.csv) or LibriSpeech's .trans.txt",
      .usage)
  }

  /// `1089-134686-0000 HE HOPED THERE WOULD BE STEW`, with the recording beside it.
  private static func libriSpeech(_ bytes: [UInt8], _ path: String) throws(PipelineError) -> [Item] {
    var items: [Item] = []
    for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ", maxSplits: 1)
      guard let id = words.first.map(String.init) else { continue }
      let base = joined(folder(of: path), id)
      let audio = AudioFiles.endings.map { "\(base).\($0)" }.first { kind(ofPath: $0) == .file }
      items.append(
        Item(
          id: id, path: audio ?? base + ".flac", text: words.count > 1 ? String(words[1]) : "", language: nil)
      )
    }
    return items
  }

  private static func table(
    _ bytes: [UInt8], _ path: String, separator: UInt8
  ) throws(PipelineError) -> [Item] {
    var rows = SeparatedValues.rows(bytes, separator: separator)
    guard let head = rows.first?.map({ $0.lowercased() }) else { return [] }
    func column(_ names: [String]) -> Int? { names.lazy.compactMap { head.firstIndex(of: $0) }.first }
    let (paths, texts) = (column(pathNames), column(textNames))
    guard let paths, let texts else {
      throw PipelineError(
        "\(path): line 1: found the columns \(head.joined(separator: ", ")), expected \(pathNames[0]) and "
          + "\(textNames[0]) (or a name that corpora use for them)", .badInput)
    }
    let (languages, ids) = (column(languageNames), column(idNames))
    rows.removeFirst()
    var items: [Item] = []
    for (index, row) in rows.enumerated() where row != [""] {
      func cell(_ column: Int?) -> String? {
        guard let column, row.indices.contains(column), !row[column].isEmpty else { return nil }
        return row[column]
      }
      guard let file = cell(paths) else {
        throw PipelineError("\(path): row \(index + 2): there is no path", .badInput)
      }
      items.append(item(file, cell(texts) ?? "", cell(languages), id: cell(ids), path))
    }
    return items
  }

  private static func json(_ bytes: [UInt8], _ path: String) throws(PipelineError) -> [Item] {
    let whole: JSONError
    do { return try json(try JSONDocument(bytes, source: path).root.value, path) } catch let error
      as PipelineError
    {
      throw error
    } catch let error as JSONError {
      whole = error
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
    // One object a line.
    var items: [Item] = []
    for (index, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let value = try? JSONDocument(Array(line), source: path).root.value else {
        throw PipelineError(whole.message, .badInput)
      }
      items.append(try item(value, path, "line \(index + 1)"))
    }
    return items
  }

  private static func json(_ value: JSON, _ path: String) throws(PipelineError) -> [Item] {
    if let list = value.array
      ?? pathNames.lazy.compactMap({ _ in value["utterances"]?.array ?? value["files"]?.array }).first
    {
      var items: [Item] = []
      for (index, element) in list.enumerated() {
        items.append(try item(element, path, "entry \(index + 1)"))
      }
      return items
    }
    guard let members = value.members else {
      throw PipelineError("\(path): expected a list of recordings, found \(value.kindName)", .badInput)
    }
    // An object of one recording is a line of a file with one line.
    if pathNames.contains(where: { value[$0] != nil }) { return [try item(value, path, "line 1")] }
    var items: [Item] = []
    for member in members {
      guard let text = member.value.string else {
        throw PipelineError(
          "\(path): '\(member.key)': expected the text of a recording, found \(member.value.kindName)",
          .badInput)
      }
      items.append(item(member.key, text, nil, id: nil, path))
    }
    return items
  }

  private static func item(_ value: JSON, _ path: String, _ place: String) throws(PipelineError) -> Item {
    func field(_ names: [String]) -> String? { names.lazy.compactMap { value[$0]?.string }.first }
    guard let file = field(pathNames), let text = field(textNames) else {
      throw PipelineError(
        "\(path): \(place): expected an object with \"\(pathNames[0])\" and \"\(textNames[0])\" (or names that "
          + "corpora use for them)", .badInput)
    }
    return item(file, text, field(languageNames), id: field(idNames), path)
  }

  private static func item(
    _ file: String, _ text: String, _ language: String?, id: String?, _ path: String
  ) -> Item {
    let home = folder(of: path)
    return Item(
      id: id ?? file, path: file.hasPrefix("/") ? file : joined(home, file), text: text, language: language)
  }
}

/// Small text files as a whole.
enum FileText {
  /// - Parameter limit: bytes above which a file is none of this kind.
  static func bytes(_ path: String, limit: Int = 256 << 20) -> [UInt8]? {
    guard let file = try? MappedFile(path: path), file.byteCount <= limit else { return nil }
    // The span lives for the call only; the array is a copy.
    return unsafe file.bytes.withUnsafeBufferPointer { unsafe [UInt8]($0) }
  }

  static func read(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }
}

/// Tables as text: RFC 4180 with any separator.
enum SeparatedValues {
  static func rows(_ bytes: [UInt8], separator: UInt8) -> [[String]] {
    // Spreadsheets begin with a byte order mark.
    let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    let (quote, lineFeed, carriageReturn) = (UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    // Tab-separated tables of corpora quote nothing, and quotes are part of the texts.
    let quotes = separator != UInt8(ascii: "\t")
    var rows: [[String]] = []
    var row: [String] = []
    var cell: [UInt8] = []
    var isQuoted = false
    var index = bytes.startIndex
    func text() -> String { String(decoding: cell, as: UTF8.self) }
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      if isQuoted {
        if byte != quote {
          cell.append(byte)
        } else if index < bytes.endIndex, bytes[index] == quote {
          cell.append(quote)
          index += 1
        } else {
          isQuoted = false
        }
      } else if byte == quote, quotes, cell.isEmpty {
        isQuoted = true
      } else if byte == separator {
        row.append(text())
        cell = []
      } else if byte == lineFeed {
        if cell.last == carriageReturn { cell.removeLast() }
        rows.append(row + [text()])
        (row, cell) = ([], [])
      } else {
        cell.append(byte)
      }
    }
    if !cell.isEmpty || !row.isEmpty { rows.append(row + [text()]) }
    return rows
  }
}
