import ByteIO
import JSONDocuments

/// What a layout holds and where it came from; written beside the files, so that a later run knows what is
/// missing.
public struct LayoutRecord: Sendable, Equatable {
  /// One file of the layout.
  public struct File: Sendable, Equatable {
    /// Relative to the layout's folder.
    public var path: String
    public var byteCount: Int
    public var sha256: String
    /// The source and the file in it; nil for what is made here.
    public var source: String?
    public var origin: String?
    /// What the source said about the content.
    public var fingerprint: String?
    /// The part of Whisper, for model files.
    public var part: String?

    public init(
      path: String, byteCount: Int, sha256: String, source: String? = nil, origin: String? = nil,
      fingerprint: String? = nil, part: String? = nil
    ) {
      self.path = path
      self.byteCount = byteCount
      self.sha256 = sha256
      self.source = source
      self.origin = origin
      self.fingerprint = fingerprint
      self.part = part
    }
  }

  /// The name of its file in the layout's folder.
  public static let fileName = ".whisperq-layout.json"
  private static let format = 1
  private static let longestText = 16 << 20

  public var name: String
  /// The sources of the last run, as shown.
  public var sources: [String]
  /// What told the states of the sources, "" where nothing did; as many as there are sources.
  public var fingerprints: [String]
  /// The variant that was asked for; nil for the full-precision one.
  public var variant: String?
  /// Sorted by path.
  public var files: [File]

  public init(
    name: String, sources: [String], fingerprints: [String], variant: String?, files: [File]
  ) {
    self.name = name
    self.sources = sources
    self.fingerprints = fingerprints
    self.variant = variant
    self.files = files.sorted { $0.path < $1.path }
  }

  public subscript(path: String) -> File? { files.first { $0.path == path } }

  /// The record of a layout; nil when its folder has none.
  public static func read(folder: String) throws(LayoutError) -> LayoutRecord? {
    let path = joined(folder, fileName)
    guard kind(ofPath: path) != .missing else { return nil }
    func bad(_ why: String) -> LayoutError { LayoutError(.record(why), place: path) }
    let document: JSONDocument
    do {
      let file = try MappedFile(path: path)
      guard file.byteCount <= longestText else { throw bad("it is too long") }
      document = try JSONDocument(file.copied(), source: path)
    } catch let error as LayoutError {
      throw error
    } catch let error as ByteIOError {
      throw LayoutError(.file(error), place: path)
    } catch let error as JSONError {
      throw bad(error.message)
    } catch {
      throw bad("\(error)")
    }
    let json = document.root.value
    guard json["format"]?.integer == format, let name = json["name"]?.string,
      let sources = json["sources"]?.array?.compactMap(\.string), let list = json["files"]?.array
    else { throw bad("it has another form") }
    var files: [File] = []
    for entry in list {
      guard let path = entry["path"]?.string, ContainedFile.objection(to: path) == nil,
        let bytes = entry["bytes"]?.integer, let digest = entry["sha256"]?.string
      else { throw bad("a file has no path, length or digest") }
      files.append(
        File(
          path: path, byteCount: bytes, sha256: digest, source: entry["source"]?.string,
          origin: entry["origin"]?.string, fingerprint: entry["fingerprint"]?.string,
          part: entry["part"]?.string))
    }
    let fingerprints = json["fingerprints"]?.array?.compactMap(\.string) ?? []
    return LayoutRecord(
      name: name, sources: sources, fingerprints: fingerprints, variant: json["variant"]?.string, files: files
    )
  }

  /// The text of the record: the same for the same content.
  public var text: String {
    var members = [
      JSONMember("format", .integer(Self.format)), JSONMember("name", .string(name)),
      JSONMember("sources", .strings(sources)), JSONMember("fingerprints", .strings(fingerprints)),
    ]
    if let variant { members.append(JSONMember("variant", .string(variant))) }
    members.append(JSONMember("files", .array(files.map(\.json))))
    return JSON.object(members).text(.indented) + "\n"
  }
}

extension LayoutRecord.File {
  fileprivate var json: JSON {
    let optional = [("source", source), ("origin", origin), ("fingerprint", fingerprint), ("part", part)]
    return .object(
      [
        JSONMember("path", .string(path)), JSONMember("bytes", .integer(byteCount)),
        JSONMember("sha256", .string(sha256)),
      ] + optional.compactMap { name, value in value.map { JSONMember(name, .string($0)) } })
  }
}

extension MappedFile {
  /// All bytes as an array, for small files.
  func copied() -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(byteCount)
    let span = bytes
    for index in span.indices { result.append(span[index]) }
    return result
  }
}

/// Writes a small text, whole or not at all.
func writeText(_ text: String, to path: String) throws(ByteIOError) {
  let bytes = Array(text.utf8)
  let output = try OutputFile(path: path, byteCount: bytes.count)
  // Bytes have no padding, so reading them raw is sound.
  try output.write(unsafe bytes.span.bytes, at: 0)
  try output.commit()
}
