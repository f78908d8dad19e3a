import ByteIO

/// What a part file is a part of. It lies beside the part file as a few lines of text.
///
/// It is written, whole or not at all, after the part file was emptied and before its first byte, and removed before
/// the part file is emptied. So whenever a process is killed: where there is a state, the part file holds a
/// beginning of what the state describes; where there is none, the part file is worth nothing.
struct PartState: Equatable {
  /// The address that was asked for, without its user part.
  var address: String
  var validators: Validators
  /// The length of the whole file; nil when the server did not say.
  var byteCount: Int?

  private static let firstLine = "whisperq part 1"
  private static let lastLine = "end"
  private static let longestText = 64 * 1024

  var text: String {
    var lines = [PartState.firstLine, "address " + address]
    if let etag = validators.etag { lines.append("etag " + etag) }
    if let lastModified = validators.lastModified { lines.append("last-modified " + lastModified) }
    if let byteCount { lines.append("length \(byteCount)") }
    return (lines + [PartState.lastLine, ""]).joined(separator: "\n")
  }

  init(address: String, validators: Validators, byteCount: Int?) {
    self.address = address
    self.validators = validators
    self.byteCount = byteCount
  }

  /// Nil when the text is not one that `text` wrote.
  init?(text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 4, lines[0] == PartState.firstLine, lines[lines.count - 2] == PartState.lastLine,
      lines[lines.count - 1].isEmpty
    else { return nil }
    var values: [Substring: String] = [:]
    for line in lines[1..<lines.count - 2] {
      guard let blank = line.firstIndex(of: " ") else { return nil }
      values[line[..<blank]] = String(line[line.index(after: blank)...])
    }
    guard let address = values["address"] else { return nil }
    self.address = address
    validators = Validators(etag: values["etag"], lastModified: values["last-modified"])
    if let length = values["length"] {
      guard let count = Int(length), count >= 0 else { return nil }
      byteCount = count
    }
  }

  /// The state in a file; nil when there is none that can be used.
  init?(readingFrom path: String) {
    guard let file = try? MappedFile(path: path), file.byteCount <= PartState.longestText else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.byteCount)
    let span = file.bytes
    for index in span.indices { bytes.append(span[index]) }
    self.init(text: String(decoding: bytes, as: UTF8.self))
  }

  /// Writes the state, whole or not at all. Not when a value has a line end, which no server sends.
  func write(to path: String) throws(ByteIOError) {
    let bytes = Array(text.utf8)
    let file = try OutputFile(path: path, byteCount: bytes.count, temporaryName: fileName(of: path) + ".new")
    // Bytes have no padding, so reading them raw is sound.
    try file.write(unsafe bytes.span.bytes, at: 0)
    try file.commit()
  }
}
