/// The alphabet in which byte-level vocabularies are written: every byte is one printable character, so that
/// any text can be a word of a JSON file. A space is `Ġ`, a line break `Ċ`.
///
/// Printable bytes of Latin-1 stand for themselves; the others, in order, are U+0100 and up.
/// Source: Radford et al., "Language models are unsupervised multitask learners", 2019 (GPT-2).
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...0xFF).map { byte in
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
      if isPrintable { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? " "
    }
  }()

  /// The byte of each character up to U+0143; -1 where there is none.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  /// The UTF-8 of each byte's character: the first byte, and the second one or 0.
  private static let encoded: [(UInt8, UInt8)] = scalars.map { scalar in
    let text = UTF8.encode(scalar).map(Array.init) ?? []
    return (text.first ?? 0, text.count > 1 ? text[1] : 0)
  }

  /// Appends the characters of some bytes, in UTF-8.
  static func write(_ bytes: ArraySlice<UInt8>, to text: inout [UInt8]) {
    for byte in bytes {
      let (first, second) = encoded[Int(byte)]
      text.append(first)
      if second != 0 { text.append(second) }
    }
  }

  /// Appends the bytes that a word stands for. A word with other characters than the alphabet's stands for
  /// its own UTF-8.
  static func read(_ word: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
    let start = bytes.count
    var at = word.startIndex
    while at < word.endIndex {
      var value = Int(word[at])
      at += 1
      if value >= 0x80 {
        // Characters of the alphabet take two bytes at most.
        guard value & 0xE0 == 0xC0, at < word.endIndex else {
          value = .max
          break
        }
        value = (value & 0x1F) << 6 | Int(word[at] & 0x3F)
        at += 1
      }
      guard value < self.bytes.count, self.bytes[value] >= 0 else {
        at = .max
        break
      }
      bytes.append(UInt8(self.bytes[value]))
    }
    if at == word.endIndex { return }
    bytes.removeSubrange(start...)
    bytes += word
  }
}
