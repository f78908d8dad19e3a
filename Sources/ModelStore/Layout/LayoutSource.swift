import ByteIO

/// Where the files of a model come from.
public enum LayoutSource: Sendable {
  /// A folder; files in folders below it belong to it.
  case folder(String)
  /// One model file; its data files and what describes it are looked for beside it.
  case file(String)
  /// A ZIP file of this machine.
  case archive(String)
  /// A ZIP file or a single file of a web server.
  case web(WebAddress)
  case huggingFace(HuggingFaceSource)

  /// Reads a word of the command line: `hf:...`, an http or https address, or a path that is there.
  public init(_ text: String) throws(LayoutError) {
    do {
      if text.hasPrefix(HuggingFaceSource.prefix) {
        self = .huggingFace(try HuggingFaceSource(text))
        return
      }
      let scheme = text.prefix(8).lowercased()
      if scheme.hasPrefix("http://") || scheme == "https://" {
        self = .web(try WebAddress(text))
        return
      }
    } catch {
      throw LayoutError(.transfer(error), place: text)
    }
    switch kind(ofPath: text) {
    case .folder: self = .folder(text)
    case .file: self = Self.isArchive(path: text) ? .archive(text) : .file(text)
    case .missing:
      if text.firstRange(of: "://") != nil {
        throw LayoutError(.badSource("is no http or https address, which are the only ones"), place: text)
      }
      throw LayoutError(.file(ByteIOError(.notFound, path: text)), place: text)
    case .other:
      throw LayoutError(
        .file(ByteIOError(.notARegularFile(found: "a device or pipe"), path: text)), place: text)
    }
  }

  /// As it is shown and recorded: without secrets.
  public var shown: String {
    switch self {
    case .folder(let path), .file(let path), .archive(let path): path
    case .web(let address): address.shown
    case .huggingFace(let source): source.description
    }
  }

  /// Whether the files lie on this machine as they are.
  public var isLocal: Bool {
    switch self {
    case .folder, .file: true
    case .archive, .web, .huggingFace: false
    }
  }

  /// What tells this source from others, for the folder that its files are brought to.
  var key: String {
    switch self {
    case .folder(let path): "folder " + (realPath(path) ?? path)
    case .file(let path): "file " + (realPath(path) ?? path)
    case .archive(let path): "archive " + (realPath(path) ?? path)
    case .web(let address): "web " + address.recorded
    case .huggingFace(let source): source.description
    }
  }

  /// Whether a file begins as ZIP archives do: with a local header, or with the end of an empty archive.
  static func isArchive(path: String) -> Bool {
    guard let file = try? MappedFile(path: path), file.byteCount >= 4 else { return false }
    let bytes = file.bytes
    guard bytes[0] == UInt8(ascii: "P"), bytes[1] == UInt8(ascii: "K") else { return false }
    return (bytes[2], bytes[3]) == (3, 4) || (bytes[2], bytes[3]) == (5, 6)
      || (bytes[2], bytes[3]) == (0x30, 0x30)
  }
}
