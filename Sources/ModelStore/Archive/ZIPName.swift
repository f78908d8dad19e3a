import ByteIO

/// Names of entries: how they are written, and which are refused.
enum ZIPName {
  /// Systems whose programs write UTF-8 without saying so.
  private static let unix = 3
  private static let macOS = 19

  /// The text of a name, or nil when it says UTF-8 and is none.
  ///
  /// UTF-8 where the flag or Info-ZIP's extra field 0x7075 says so, or where a program of Unix wrote bytes that are
  /// UTF-8; else code page 437.
  static func decode(
    _ bytes: [UInt8], saysUTF8: Bool, unicodePath: [UInt8]?, system: Int
  ) -> String? {
    if let unicodePath { return String(validating: unicodePath, as: UTF8.self) }
    if saysUTF8 { return String(validating: bytes, as: UTF8.self) }
    if system == unix || system == macOS, let text = String(validating: bytes, as: UTF8.self) { return text }
    return CodePage437.decode(bytes)
  }

  /// The parts of a name without `.`, or why the name is refused; the text continues "the name ...".
  static func parts(of name: String) -> Result<[String], Objection> {
    let bytes = Array(name.utf8)
    let slash = UInt8(ascii: "/")
    // A folder's name ends in a slash.
    let file = bytes.last == slash ? Array(bytes.dropLast()) : bytes
    if let objection = ContainedFile.objection(to: String(decoding: file, as: UTF8.self)) {
      // `names a folder` is a doubled slash at the end, or a dot, which the rules below look at.
      if objection != "names a folder" { return .failure(Objection(objection)) }
    }
    if bytes.contains(UInt8(ascii: "\\")) { return .failure(Objection("contains a backslash")) }
    if bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      return .failure(Objection("contains a control character"))
    }
    if file.count > 4096 { return .failure(Objection("has more than 4096 bytes")) }
    var parts: [String] = []
    for part in file.split(separator: slash, omittingEmptySubsequences: false) {
      if part.isEmpty { return .failure(Objection("contains an empty part")) }
      let text = String(decoding: part, as: UTF8.self)
      if text == "." { continue }
      if part.count > 255 { return .failure(Objection("has a part of more than 255 bytes")) }
      if isDevice(text) { return .failure(Objection("is that of a device, '\(text)'")) }
      parts.append(text)
    }
    if parts.count > 100 { return .failure(Objection("has more than 100 parts")) }
    return parts.isEmpty ? .failure(Objection("names no file")) : .success(parts)
  }

  struct Objection: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }

  /// Names that mean devices on Windows, with any extension.
  private static func isDevice(_ part: String) -> Bool {
    let stem = part.prefix { $0 != "." }.trimmingBlanks().lowercased()
    if ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"].contains(stem) { return true }
    return (stem.hasPrefix("com") || stem.hasPrefix("lpt")) && stem.count == 4
      && stem.last.map { "0123456789¹²³".contains($0) } == true
  }
}
